"""The drawn demo data: what is in the files, and that they are written all or not at all."""

import errno
import os
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from gfm.data.images import read_alpha, read_image
from gfm.data.layout import Roots
from gfm.data.trimap import trimap_from_alpha
from gfm.demo import (
    DemoSample,
    DemoSize,
    DemoWriteError,
    cache,
    contact_sheet,
    draw_background,
    draw_sample,
    ensure_demo,
)
from gfm.demo import sheet as sheet_module
from gfm.demo.layers import fill_outwards
from gfm.errors import GFMError

HEIGHT, WIDTH = 120, 180
SMALL = DemoSize(4, 2, 3, 1, HEIGHT, WIDTH, background_height=128, background_width=192)
TINY = DemoSize(1, 1, 1, 1, 64, 96, background_height=64, background_width=96)
TRIMAP_KERNEL = 25


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def roots(root: Path) -> Roots:
    return ensure_demo(root, SMALL, seed=3, num_workers=1)


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
        # The fourth is upright.
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
        np.testing.assert_array_equal(trimap, trimap_from_alpha(alpha, TRIMAP_KERNEL))
        assert set(np.unique(trimap)) == {0, 128, 255}


def test_drawings_depend_on_seed_and_index_alone() -> None:
    first = draw_sample(7, 2, 64, 96)
    np.random.seed(0)
    np.testing.assert_array_equal(first.image, draw_sample(7, 2, 64, 96).image)
    assert (first.image != draw_sample(8, 2, 64, 96).image).mean() > 0.5
    assert (first.image != draw_sample(7, 3, 64, 96).image).mean() > 0.5
    scene = draw_background(7, 2, 64, 96)
    np.testing.assert_array_equal(scene, draw_background(7, 2, 64, 96))
    assert (scene != draw_background(8, 2, 64, 96)).mean() > 0.5


def test_files_are_the_same_whatever_the_number_of_processes(roots: Roots, tmp_path: Path) -> None:
    again = ensure_demo(tmp_path, SMALL, seed=3, num_workers=2)
    assert again.photos.parent.name == roots.photos.parent.name
    assert contents(again.photos.parent) == contents(roots.photos.parent)


def test_second_call_draws_nothing(
    root: Path, roots: Roots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "draw_files", lambda *_: pytest.fail("drawn again"))
    assert ensure_demo(root, SMALL, seed=3) == roots


@pytest.mark.parametrize(("size", "seed"), [(TINY, 1), (DemoSize(2, 1, 1, 1, 64, 96, 64, 96), 0)])
def test_another_seed_or_size_has_its_own_folder(tmp_path: Path, size: DemoSize, seed: int) -> None:
    first = ensure_demo(tmp_path, TINY, num_workers=1)
    assert ensure_demo(tmp_path, size, seed, num_workers=1) != first


def test_interrupted_run_leaves_nothing_that_looks_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []

    def draw_one_then_stop(*arguments: object) -> None:
        drawn.append(arguments)
        if len(drawn) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cache, "draw_files", draw_one_then_stop)
        with pytest.raises(KeyboardInterrupt):
            ensure_demo(tmp_path, TINY, num_workers=1)
    assert list(tmp_path.iterdir()) == []
    roots = ensure_demo(tmp_path, TINY, num_workers=1)
    assert len(contents(roots.photos.parent)) == 13


def test_remains_of_killed_runs_are_removed_but_not_of_live_ones(tmp_path: Path) -> None:
    for name in (".old.partial", ".live.partial"):
        (tmp_path / name / "AM-2k").mkdir(parents=True)
    for path in (tmp_path / ".old.partial/AM-2k", tmp_path / ".old.partial"):
        os.utime(path, (time.time() - 3600,) * 2)
    # The folder itself may be old when something inside was written just now.
    os.utime(tmp_path / ".live.partial", (time.time() - 3600,) * 2)
    ensure_demo(tmp_path, TINY, num_workers=1)
    assert not (tmp_path / ".old.partial").exists()
    assert (tmp_path / ".live.partial").exists()


def test_two_runs_at_once_both_end_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_folders = cache.make_folders
    other = []

    def let_another_run_finish_first(folder: Path) -> None:
        make_folders(folder)
        if not other:
            other.append(folder)
            other.append(ensure_demo(tmp_path, TINY, num_workers=1))

    monkeypatch.setattr(cache, "make_folders", let_another_run_finish_first)
    assert ensure_demo(tmp_path, TINY, num_workers=1) == other[1]
    assert [path.name for path in tmp_path.iterdir()] == [other[1].photos.parent.name]


def test_full_disk_ends_in_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_to_full_disk(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "somewhere")

    monkeypatch.setattr(Path, "write_bytes", write_to_full_disk)
    with pytest.raises(DemoWriteError, match="No space left on device") as caught:
        ensure_demo(tmp_path, TINY, num_workers=1)
    assert isinstance(caught.value, OSError)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_root_that_is_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DemoWriteError, match="file"):
        ensure_demo(tmp_path / "file", TINY, num_workers=1)


@pytest.mark.parametrize(
    ("size", "seed"), [(DemoSize(num_coco=0), 0), (DemoSize(height=32), 0), (TINY, -1)]
)
def test_sizes_that_cannot_be_drawn_are_refused(tmp_path: Path, size: DemoSize, seed: int) -> None:
    with pytest.raises(GFMError, match="the demo needs"):
        ensure_demo(tmp_path, size, seed)


def test_contact_sheet_shows_animals_and_scenes(roots: Roots) -> None:
    sheet = contact_sheet(roots, photos=(0, 5), width=640)
    assert sheet.shape[1:] == (640, 3)
    assert sheet.shape[0] > 240
    assert sheet.std() > 30
    # Two rows of animals and one of scenes, nothing left blank but the gaps.
    assert (sheet == 255).all(axis=(1, 2)).sum() == 4 * sheet_module.GAP
