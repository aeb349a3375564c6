"""The drawn demo data: the contents of the files, and that writes are atomic."""

import errno
import os
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from gfm.animals import DrawnAnimals, source
from gfm.animals.dataset_files import Drawing, draw_files
from gfm.animals.sample import DemoSample, draw_background, draw_sample
from gfm.animals.surface import fill_outwards
from gfm.data.images import read_alpha, read_image
from gfm.data.layout import Roots
from gfm.data.trimap import trimap_from_alpha
from gfm.errors import GFMError, WriteError
from gfm.rosta import TT

HEIGHT, WIDTH = 120, 180
SMALL = {
    "num_train": 4,
    "num_validation": 2,
    "num_backgrounds": 3,
    "num_coco": 1,
    "height": HEIGHT,
    "width": WIDTH,
    "background_height": 128,
    "background_width": 192,
}
TINY = {
    **dict.fromkeys(("num_train", "num_validation", "num_backgrounds", "num_coco"), 1),
    **dict.fromkeys(("height", "background_height"), 64),
    **dict.fromkeys(("width", "background_width"), 96),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def roots(root: Path) -> Roots:
    return DrawnAnimals(root, seed=3, **SMALL).find()


@pytest.fixture(scope="module")
def samples() -> list[DemoSample]:
    """One animal of every species."""
    return [draw_sample(0, index, HEIGHT, WIDTH) for index in range(12)]


def contents(folder: Path) -> dict[str, bytes]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_layout_has_every_file_of_the_published_datasets(roots: Roots) -> None:
    train = [f"m_{number:08d}" for number in (1, 2, 3, 4)]
    validation = [f"m_{number:08d}" for number in (5, 6)]
    expected = {
        *(f"AM-2k/train/{name}/{stem}.jpg" for name in ("original", "original_denoise", "bg")
          for stem in train),
        *(f"AM-2k/train/{name}/{stem}.png" for name in ("mask", "fg", "fg_denoise")
          for stem in train),
        *(f"AM-2k/validation/original/{stem}.jpg" for stem in validation),
        *(f"AM-2k/validation/{name}/{stem}.png" for name in ("mask", "trimap")
          for stem in validation),
        *(f"BG-20k/{name}/h_{number:08d}.jpg" for name in ("train", "train_denoise")
          for number in range(3)),
        "BG-20k/testval/h_00000003.jpg",
        "COCO/train/000000000004.jpg",
    }  # fmt: skip
    assert set(contents(roots.photos.parent)) == expected
    assert roots.bg20k == roots.photos.parent / "BG-20k"
    assert roots.coco == roots.photos.parent / "COCO"


def test_pictures_have_the_sizes_asked_for(roots: Roots) -> None:
    for folder in ("original", "fg", "bg", "original_denoise", "fg_denoise"):
        shapes = [
            read_image(path).shape for path in sorted((roots.photos / "train" / folder).iterdir())
        ]
        # The fourth is in portrait format.
        assert shapes == [(HEIGHT, WIDTH, 3)] * 3 + [(WIDTH, HEIGHT, 3)]
    assert read_alpha(roots.photos / "train/mask/m_00000004.png").shape == (WIDTH, HEIGHT)
    assert read_image(roots.bg20k / "train/h_00000000.jpg").shape == (128, 192, 3)
    assert read_image(roots.coco / "train/000000000004.jpg").shape == (480, 640, 3)


def test_photo_is_the_composition_of_its_layers(samples: list[DemoSample]) -> None:
    for sample in samples:
        alpha = sample.alpha[..., None] / 255.0
        exact = alpha * sample.foreground + (1 - alpha) * sample.background
        # Half a grey level: only the rounding of the sum.
        assert np.abs(sample.image - exact).max() <= 0.5 + 1e-4
        inside = sample.alpha == 255
        np.testing.assert_array_equal(sample.image_clean[inside], sample.foreground_clean[inside])


def test_files_still_compose_after_jpeg(roots: Roots) -> None:
    for stem in ("m_00000001", "m_00000002", "m_00000004"):
        layers = {
            name: read_image(roots.photos / "train" / name / f"{stem}{suffix}").astype(float)
            for name, suffix in (("original", ".jpg"), ("fg", ".png"), ("bg", ".jpg"))
        }
        alpha = read_alpha(roots.photos / "train/mask" / f"{stem}.png")[..., None] / 255.0
        error = np.abs(layers["original"] - alpha * layers["fg"] - (1 - alpha) * layers["bg"])
        assert error.mean() < 2.0
        assert np.quantile(error, 0.999) < 16


def test_alpha_has_an_inside_an_outside_and_hair(samples: list[DemoSample]) -> None:
    for sample in samples:
        alpha = sample.alpha
        assert 0.15 < np.mean(alpha == 255) < 0.6
        assert 0.2 < np.mean(alpha > 127) < 0.65
        assert 0.3 < np.mean(alpha == 0) < 0.8
        assert 0.03 < np.mean((alpha > 0) & (alpha < 255)) < 0.3
        assert len(np.unique(alpha)) > 100


def test_noise_is_mild_and_only_in_the_noisy_versions(samples: list[DemoSample]) -> None:
    for sample in samples:
        noise = sample.image.astype(float) - sample.image_clean
        assert 0.4 < noise.std() < 6
        assert abs(noise.mean()) < 0.5


def test_foreground_continues_beyond_the_animal(samples: list[DemoSample]) -> None:
    for sample in samples:
        hair = (sample.alpha > 0).astype(float)
        foreground = sample.foreground_clean.astype(float)
        # Far outside it is about the average of the animal, neither black nor the background.
        far = foreground[sample.alpha == 0].mean() / foreground[sample.alpha == 255].mean()
        assert 0.5 < far < 1.6
        # Next to the animal it is the colour of the hair there.
        shares = cv2.blur(hair, (9, 9))[..., None]
        near = cv2.blur(foreground * hair[..., None], (9, 9)) / np.maximum(shares, 1e-6)
        rim = (hair == 0) & (cv2.blur(hair, (5, 5)) > 0)
        assert np.abs(foreground - near)[rim].mean() < 20


def test_fill_outwards_keeps_what_is_known() -> None:
    rng = np.random.default_rng(0)
    known = rng.random((33, 47, 3)).astype(np.float32)
    weight = np.zeros((33, 47), np.float32)
    weight[10:20, 5:30] = 1
    filled = fill_outwards(known * weight[..., None], weight)
    np.testing.assert_allclose(filled[10:20, 5:30], known[10:20, 5:30], atol=1e-5)
    np.testing.assert_allclose(filled[-1, -1], 0.5, atol=0.25)


def test_trimap_belongs_to_the_alpha(roots: Roots) -> None:
    for path in (roots.photos / "validation/trimap").iterdir():
        trimap = read_alpha(path)
        alpha = read_alpha(roots.photos / "validation/mask" / path.name)
        np.testing.assert_array_equal(trimap, trimap_from_alpha(alpha, TT.kernel_size))
        assert set(np.unique(trimap)) == {0, 128, 255}


def test_drawings_depend_on_seed_and_index_alone() -> None:
    first = draw_sample(7, 2, 64, 96)
    np.random.seed(0)
    np.testing.assert_array_equal(first.image, draw_sample(7, 2, 64, 96).image)
    assert (first.image != draw_sample(8, 2, 64, 96).image).mean() > 0.5
    assert (first.image != draw_sample(7, 3, 64, 96).image).mean() > 0.5
    scene, _ = draw_background(7, 2, 64, 96)
    np.testing.assert_array_equal(scene, draw_background(7, 2, 64, 96)[0])
    assert (scene != draw_background(8, 2, 64, 96)[0]).mean() > 0.5


def test_files_are_the_same_whatever_the_number_of_processes(roots: Roots, tmp_path: Path) -> None:
    again = DrawnAnimals(tmp_path, seed=3, num_workers=2, **SMALL).find()
    assert again.photos.parent.name == roots.photos.parent.name
    assert contents(again.photos.parent) == contents(roots.photos.parent)


def test_second_call_draws_nothing(
    root: Path, roots: Roots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "map_unordered", lambda *_: pytest.fail("drawn again"))
    assert DrawnAnimals(root, seed=3, **SMALL).find() == roots


def test_without_memory_no_missing_option_is_advised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path, drawing: Drawing) -> None:
        raise MemoryError

    monkeypatch.setattr(source, "draw_files", fail)
    with pytest.raises(GFMError, match="not enough memory: try again with more free memory"):
        DrawnAnimals(tmp_path, **TINY).find()


@pytest.mark.parametrize("other", [{"seed": 1}, {"num_train": 2}])
def test_another_seed_or_size_has_its_own_folder(tmp_path: Path, other: dict[str, int]) -> None:
    first = DrawnAnimals(tmp_path, **TINY).find()
    assert DrawnAnimals(tmp_path, **(TINY | other)).find() != first


def test_an_interrupted_run_resumes_with_the_missing_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []

    def stop_at_second(folder: Path, drawing: Drawing) -> None:
        if len(drawn) == 1:
            raise KeyboardInterrupt
        drawn.append(drawing)
        draw_files(folder, drawing)

    with monkeypatch.context() as patch:
        patch.setattr(source, "draw_files", stop_at_second)
        with pytest.raises(KeyboardInterrupt):
            DrawnAnimals(tmp_path / "demo", **TINY).find()
    first = contents(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(source, "draw_files", lambda f, d: [drawn.append(d), draw_files(f, d)])
        roots = DrawnAnimals(tmp_path / "demo", **TINY).find()
    assert len(drawn) == len(set(drawn)) == 5
    assert len(contents(roots.photos.parent)) == 13
    assert first.items() <= contents(tmp_path).items()
    whole = DrawnAnimals(tmp_path / "whole", **TINY).find()
    assert contents(roots.photos.parent) == contents(whole.photos.parent)


def test_removed_file_is_drawn_again(tmp_path: Path) -> None:
    roots = DrawnAnimals(tmp_path, **TINY).find()
    before = contents(tmp_path)
    (roots.photos / "train/bg/m_00000001.jpg").unlink()
    DrawnAnimals(tmp_path, **TINY).find()
    assert contents(tmp_path) == before


def test_remains_of_killed_runs_are_removed_but_not_of_live_ones(tmp_path: Path) -> None:
    roots = DrawnAnimals(tmp_path, **TINY).find()
    folder = roots.photos / "train/mask"
    old, live = folder / ".old.tmp", folder / ".live.tmp"
    for path in (old, live):
        path.touch()
    os.utime(old, (time.time() - 3600,) * 2)
    (folder / "m_00000001.png").unlink()
    DrawnAnimals(tmp_path, **TINY).find()
    assert not old.exists()
    assert live.exists()


def test_two_runs_at_once_both_end_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = []

    def let_another_run_finish_first(folder: Path, drawing: Drawing) -> None:
        if not other:
            other.append(drawing)
            other.append(DrawnAnimals(tmp_path, **TINY).find())
        draw_files(folder, drawing)

    monkeypatch.setattr(source, "draw_files", let_another_run_finish_first)
    roots = DrawnAnimals(tmp_path, **TINY).find()
    assert roots == other[1]
    assert len(contents(tmp_path)) == 13


def test_full_disk_ends_in_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors of several processes are a matter of gfm.prepare.runner."""

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(WriteError, match="No space left on device") as caught:
        DrawnAnimals(tmp_path, num_workers=1, **TINY).find()
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert contents(tmp_path) == {}


def test_root_that_is_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="file"):
        DrawnAnimals(tmp_path / "file", **TINY).find()


@pytest.mark.parametrize(
    ("name", "value"),
    [("num_coco", 0), ("height", 32), ("seed", -1), ("num_train", 2.5), ("width", "wide")],
)
def test_numbers_that_cannot_be_drawn_are_refused(tmp_path: Path, name: str, value: object) -> None:
    words = rf"data\.source\.{name}={value}: choose a whole number of at least (0|1|64)$"
    with pytest.raises(GFMError, match=words):
        DrawnAnimals(tmp_path, **(TINY | {name: value})).find()
