"""From folders to paths, and messages about missing ones."""

import resource
import shutil

import cv2
import numpy as np
import pytest

from gfm.data.images import read_image, write_array, write_png
from gfm.data.layout import Folders, Roots, scenes
from gfm.errors import GFMError
from gfm.prepare.check import check


@pytest.fixture
def am2k(roots):
    return roots.photos


def test_training_photos(am2k):
    plain = Roots(am2k).training("image", is_denoised=False)
    assert [p.name for p in plain] == sorted(p.stem for p in (am2k / "train/mask").iterdir())
    assert all(p.foreground is p.background is p.denoised is None for p in plain)
    full = Roots(am2k).training("closed_form", is_denoised=True)
    for photo in full:
        paths = (photo.image, photo.alpha, photo.foreground, photo.background, photo.denoised)
        assert all(path.stem == photo.name for path in paths)
        assert photo.denoised.parent.name == "fg_denoise"
    assert Roots(am2k).training("image", True)[0].denoised.parent.name == "original_denoise"


def test_suffixes_in_any_case(am2k):
    first = next((am2k / "train/original").iterdir())
    first.rename(first.with_suffix(".JPEG"))
    (am2k / "train/original/notes.txt").touch()
    assert Roots(am2k).training("image", False)[0].image.suffix in (".JPEG", ".jpg")


def test_validation_works_without_trimaps(am2k):
    assert all(p.trimap for p in Roots(am2k).validation())
    shutil.rmtree(am2k / "validation/trimap")
    assert not any(p.trimap for p in Roots(am2k).validation())


def test_a_dataset_may_have_no_validation_photos(am2k):
    shutil.rmtree(am2k / "validation")
    roots = Roots(am2k, folders=Folders(validation_alpha=""))
    assert roots.validation() == []
    assert check([roots], 1) == []


@pytest.mark.parametrize(
    ("folder", "call", "fix"),
    [
        ("train", lambda root: Roots(root).training("image", False), "paths.am2k="),
        ("train/fg", lambda root: Roots(root).training("closed_form", False), "track.foreground="),
        ("train/fg_denoise", lambda root: Roots(root).training("closed_form", True), "denoise="),
        ("validation", lambda root: Roots(root).validation(), "paths.am2k="),
    ],
)
def test_missing_folder(am2k, folder, call, fix):
    shutil.rmtree(am2k / folder)
    with pytest.raises(GFMError, match=fix) as error:
        call(am2k)
    assert folder in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_partner(am2k):
    photo = Roots(am2k).training("image", False)[1]
    photo.image.unlink()
    with pytest.raises(GFMError, match=rf"no picture named {photo.name} in .*original"):
        Roots(am2k).training("image", False)
    photo.image.with_suffix(".heic").touch()
    with pytest.raises(GFMError, match=rf"{photo.name}\.heic is not supported: convert it to PNG"):
        Roots(am2k).training("image", False)


@pytest.mark.parametrize(
    ("folder", "call", "fix"),
    [
        ("train/fg", lambda roots: roots.training("closed_form", False), "gfm prepare foregrounds"),
        ("train/fg_denoise", lambda roots: roots.training("closed_form", True), "gfm prepare deno"),
        ("validation/trimap", lambda roots: roots.validation(), "gfm prepare trimaps"),
    ],
)
def test_what_an_interrupted_command_made(am2k, folder, call, fix):
    """The message must not advise removing the matte."""
    for path in sorted((am2k / folder).iterdir()):
        path.unlink()
        with pytest.raises(GFMError, match=rf"no picture.* in .*{folder}: set .*{fix}"):
            call(Roots(am2k))


def test_empty_folder(tmp_path):
    (tmp_path / "train").mkdir()
    with pytest.raises(GFMError, match=r"no pictures .*paths.coco"):
        scenes(tmp_path, "paths.coco")


def test_two_pictures_of_one_name(am2k):
    path = next((am2k / "train/original").iterdir())
    shutil.copy(path, path.with_suffix(".png"))
    with pytest.raises(GFMError, match=rf"{path.name} and {path.stem}\.png.*remove all but one"):
        Roots(am2k).training("image", False)


def test_hidden_files_do_not_count(am2k):
    path = next((am2k / "train/original").iterdir())
    shutil.copy(path, path.with_name("._" + path.name))  # as macOS leaves on foreign disks
    assert len(Roots(am2k).training("image", False)) == 4


def test_photos_without_a_matte_are_named(am2k):
    """As after packing was interrupted."""
    next((am2k / "train/mask").iterdir()).unlink()
    with pytest.warns(UserWarning, match=r"1 of 4 photos have no matte in .*train/mask and are"):
        assert len(Roots(am2k).training("image", False)) == 3


def test_folders_of_another_dataset(am2k):
    (am2k / "train/original").rename(am2k / "train/photos")
    folders = Folders(option="paths.mine", train_image="train/photos")
    assert len(Roots(am2k, folders=folders).training("image", False)) == 4
    with pytest.raises(GFMError, match=r"train/original: set paths\.mine="):
        Roots(am2k, folders=Folders(option="paths.mine")).training("image", False)


def test_roots_take_strings(tmp_path):
    assert Roots(str(tmp_path)).photos == tmp_path


@pytest.mark.parametrize("content", [b"", b"no picture", b"\xff\xd8\xff\xe0 cut"])
def test_unreadable_picture(tmp_path, content):
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(GFMError, match=r"photo.jpg"):
        read_image(path)


def test_writing_is_all_or_nothing(tmp_path):
    (tmp_path / "x.png").mkdir()  # blocks the path
    with pytest.raises(GFMError, match=r"cannot write .*x.png"):
        write_png(tmp_path / "x.png", np.zeros((2, 2), np.uint8))
    assert [p.name for p in tmp_path.iterdir()] == ["x.png"]


def test_an_array_that_does_not_fit_names_the_reason(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(GFMError, match=r"cannot write .*x\.npy: File too large"):
            write_array(tmp_path / "x.npy", np.zeros((500, 500), np.uint8))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


def test_large_pictures_are_decoded_small(tmp_path):
    y, x = np.mgrid[:640, :960] // 4
    picture = np.dstack([y, x, (x + y) // 2]).clip(0, 255).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "scene.jpg"), picture[:, :, ::-1])
    whole = read_image(tmp_path / "scene.jpg")
    for size, height in (((640, 960), 640), ((400, 400), 640), ((300, 300), 320), ((50, 80), 80)):
        small = read_image(tmp_path / "scene.jpg", size)
        assert small.shape[0] == height
        expected = cv2.resize(whole, small.shape[1::-1], interpolation=cv2.INTER_AREA)
        assert np.abs(small.astype(int) - expected).mean() < 2
    with pytest.raises(GFMError, match=r"missing\.jpg"):
        read_image(tmp_path / "missing.jpg", (1, 1))


def test_landscape_pictures_are_not_decoded_too_small_for_portrait_sizes(tmp_path):
    cv2.imwrite(str(tmp_path / "scene.jpg"), np.zeros((640, 960, 3), np.uint8))
    assert read_image(tmp_path / "scene.jpg", (480, 320)).shape == (640, 960, 3)
