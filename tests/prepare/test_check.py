"""Every kind of problem is found in a single run."""

import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from gfm.data.images import open_array, read_alpha, read_image, write_array, write_png
from gfm.data.layout import Folders, Roots
from gfm.data.pairs import Pairs
from gfm.errors import GFMError
from gfm.prepare.check import check, parts
from gfm.prepare.content import _other_values, look_at
from gfm.prepare.pack import prepare_pack
from gfm.prepare.pairing import pair
from gfm.prepare.runner import Options


def _pictures(roots, folder):
    return sorted((roots.photos / folder).iterdir())


def _halve(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def test_nothing_is_wrong_with_the_demo(roots, capsys):
    assert check([roots], 1) == []
    said = capsys.readouterr().out
    assert "train/mask 4, train/original 4, train/fg 4" in said
    assert "testval 1" in said


def test_every_problem_is_found(roots):
    originals, mattes = _pictures(roots, "train/original"), _pictures(roots, "train/mask")
    _halve(originals[0])
    write_png(mattes[1], np.zeros_like(read_alpha(mattes[1])))
    write_png(mattes[2], np.full_like(read_alpha(mattes[2]), 255))
    foreground = _pictures(roots, "train/fg")[3]
    write_png(foreground, read_image(foreground)[:-1])
    _pictures(roots, "train/bg")[0].unlink()
    trimap = _pictures(roots, "validation/trimap")[0]
    write_png(trimap, read_alpha(trimap) // 2)
    scene = next((roots.bg20k / "testval").iterdir())
    scene.write_bytes(b"")
    shutil.copy(trimap, trimap.with_name("n.PNG"))
    shutil.copy(originals[1], originals[1].with_suffix(".jpeg"))

    problems = check([roots], 2)

    def told(*words):
        return [p for p in problems if all(str(word) in p for word in words)]

    assert told(originals[0], "cannot read")
    assert told(mattes[1], "empty")
    assert told(mattes[2], "constant", "255")
    assert told(foreground, "pixels", mattes[3])
    assert told("train/bg", "lacks 1 of 4", originals[0].stem)
    assert told(trimap, "0, 128 and 255, but this one also has 64, 127")
    assert told(scene, "cannot read")
    assert told("validation/mask", "lacks 1 of 3 pictures: n")
    assert told(originals[1].name, originals[1].stem + ".jpeg", "the same name")
    assert all("\n" not in problem for problem in problems)


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ([0, 128, 255], None),
        ([0, 255], None),
        ([0, 100, 128, 255], "this one also has 100"),
        ([0, 1, 2, 3, 128, 254, 255], "this one also has 1, 2, 3, …"),
    ],
)
def test_invalid_values_of_a_trimap(values, fault):
    """Valid values are not listed among them."""
    told = _other_values(np.array([values], np.uint8))
    assert told is None if fault is None else told.endswith(fault)


def test_a_trimap_of_an_earlier_matte(roots):
    matte = _pictures(roots, "validation/mask")[0]
    write_png(matte, np.roll(read_alpha(matte), 40, axis=1))
    assert [p for p in check([roots], 1) if "contradicts its matte in" in p]


def test_an_empty_name_stands_for_no_folder(roots):
    """As a path, it would be the root of the dataset, which may hold other pictures."""
    shutil.copy(_pictures(roots, "train/original")[0], roots.photos / "overview.jpg")
    folders = Folders(foreground="", background="", denoised_image="", denoised_foreground="")
    assert check([Roots(roots.photos, folders=folders)], 1) == []


def test_denoised_backgrounds_are_checked_in_a_folder_without_train(roots, tmp_path, capsys):
    shutil.copytree(roots.bg20k / "train", tmp_path / "bg")
    shutil.copytree(roots.bg20k / "train_denoise", tmp_path / "bg/train_denoise")
    flat = Roots(roots.photos, bg20k=tmp_path / "bg")
    assert check([flat], 1) == []
    assert "is not read" not in capsys.readouterr().out
    lost = next((tmp_path / "bg/train_denoise").iterdir())
    lost.unlink()
    (problem,) = check([flat], 1)
    assert problem.startswith(f"{lost.parent}: lacks 1 of ")
    assert problem.endswith(f": {lost.stem}")


def test_missing_folders(roots):
    shutil.rmtree(roots.photos / "train/original")
    shutil.rmtree(roots.photos / "train/fg")  # is made by gfm prepare, so it may be missing
    for path in (roots.coco / "train").iterdir():
        path.unlink()
    _, faults = zip(*(pair(part.folders) for part in parts(roots)), strict=True)
    assert sorted(fault for part in faults for fault in part) == [
        f"{roots.photos / 'train/original'}: no such folder",
        f"{roots.coco / 'train'}: no pictures",
    ]


def test_a_named_folder_of_trimaps_must_exist(roots):
    with pytest.raises(GFMError, match=r"no folder .*absent: set data\.trimaps"):
        parts(Pairs(roots.photos, trimaps="absent"))
    assert parts(Pairs(roots.photos, trimaps="trimap"))  # only validation has it


def test_labels_of_a_packed_dataset_are_checked(roots):
    packed = prepare_pack(roots, only=["photos"], options=Options(1))["photos"]
    labels = packed / "train/labels"
    constant, cut, other, gone = sorted((labels / "trimap_25").iterdir())
    trimap = min((packed / "validation/trimap").iterdir())
    for path in (constant, trimap):
        write_array(path, np.full_like(open_array(path), 128))  # may be right
    assert check([Roots(packed)], 1) == []
    _halve(cut)
    write_array(other, open_array(other) // 2)
    gone.unlink()
    assert check([Roots(packed)], 1) == [
        f"{labels / 'trimap_25'}: lacks 1 of 4 pictures: {gone.stem}",
        f"cannot read {cut}: not an array, or damaged; pack it again",
        f"{other}: a trimap has only the values 0, 128 and 255, but this one also has 64, 127",
    ]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("part", [0.2, 0.6, 0.97])
def test_truncated_files(tmp_path, suffix, part):
    rng = np.random.default_rng(0)
    picture = cv2.resize(rng.integers(0, 256, (40, 60), np.uint8), (600, 400))
    path = tmp_path / f"photo{suffix}"
    Image.fromarray(picture).save(path)
    for role in ("photo", "alpha"):
        look_at(path, role)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    for role in ("photo", "alpha"):
        with pytest.raises(GFMError, match=r"cannot read .*photo"):
            look_at(path, role)


def test_fingerprint_tells_datasets_apart(roots, capsys):
    def now():
        check([Roots(roots.photos)], 1)
        return capsys.readouterr().out.rpartition("fingerprint ")[2]

    first = now()
    assert now() == first
    path = _pictures(roots, "train/bg")[0]
    path.write_bytes(path.read_bytes() + b"0")
    assert now() != first
