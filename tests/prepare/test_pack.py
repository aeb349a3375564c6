"""Packed datasets: the same data, whatever the folder contained before."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from gfm.cli.datasets import find_roots
from gfm.data.images import open_array, read_alpha, read_image
from gfm.data.layout import Folders, Roots, scenes
from gfm.data.pairs import Pairs
from gfm.data.trimap import trimap_from_alpha
from gfm.errors import GFMError
from gfm.prepare.pack import PackItem, prepare_pack, shrink, shrunk_size
from gfm.prepare.runner import Options
from tests.data.test_decoding import wide_profile

ONE = Options(num_workers=1)


def test_packed_data_are_the_same_data(roots):
    packed = prepare_pack(roots, options=ONE)
    assert packed["photos"] == roots.photos.with_name("AM-2k_packed")
    there = Roots(packed["photos"], packed["bg20k"], packed["coco"])
    for raw, photo in zip(
        roots.training("closed_form", True),
        there.training("closed_form", True),
        strict=True,
    ):
        for name in ("image", "foreground", "background", "denoised"):
            path = getattr(photo, name)
            assert path.suffix == ".npy"
            np.testing.assert_array_equal(open_array(path), read_image(getattr(raw, name)))
        alpha = read_alpha(raw.alpha)
        np.testing.assert_array_equal(open_array(photo.alpha), alpha)
        assert sorted(photo.labels) == ["trimap_25", "trimap_50"]
        for size in (25, 50):
            label = open_array(photo.labels[f"trimap_{size}"])
            np.testing.assert_array_equal(label, trimap_from_alpha(alpha, size))
    assert not raw.labels
    for raw, photo in zip(roots.validation(), there.validation(), strict=True):
        np.testing.assert_array_equal(read_alpha(photo.trimap), read_alpha(raw.trimap))
    assert len(scenes(there.bg20k, "", is_denoised=True)) == 3
    assert len(scenes(there.coco, "")) == 2


def test_packed_pictures_equal_decoded_ones(roots):
    """Photos with a profile and cut-outs as mattes, too."""
    photo = roots.training("image", False)[0]
    image, alpha = photo.image.with_suffix(".webp"), photo.alpha.with_suffix(".tif")
    pixels, matte = read_image(photo.image), read_alpha(photo.alpha)
    Image.fromarray(pixels).save(image, lossless=True, icc_profile=wide_profile())
    Image.fromarray(np.dstack([pixels, matte])).save(alpha)
    photo.image.unlink()
    photo.alpha.unlink()
    packed = prepare_pack(roots, only=["photos"], options=ONE)["photos"]
    there = Roots(packed).training("image", False)[0]
    assert np.abs(open_array(there.image).astype(int) - pixels).max() > 5
    np.testing.assert_array_equal(open_array(there.image), read_image(image))
    np.testing.assert_array_equal(open_array(there.alpha), matte)


def test_announced_size_is_about_right(roots, tmp_path, monkeypatch):
    announced = []
    num_bytes = PackItem.num_bytes

    def listen(self, size):
        announced.append(num_bytes(self, size))
        return announced[-1]

    monkeypatch.setattr(PackItem, "num_bytes", listen)
    prepare_pack(roots, tmp_path / "out", options=ONE)
    taken = sum(p.stat().st_size for p in (tmp_path / "out").rglob("*.npy"))
    assert 0.95 * taken < sum(announced) < 1.05 * taken


def test_backgrounds_may_be_reduced(roots, tmp_path):
    prepare_pack(roots, tmp_path / "out", max_side=120, only=["bg20k"], options=ONE)
    assert not (tmp_path / "out/AM-2k").exists()
    for path in (tmp_path / "out/BG-20k/train").iterdir():
        assert open_array(path).shape == (80, 120, 3)
    assert shrunk_size((10, 30), 0) == shrunk_size((10, 30), 30) == (10, 30)
    checks = np.indices((64, 64)).sum(axis=0) % 2 * np.uint8(254)
    assert set(np.unique(shrink(checks.astype(np.uint8), 32))) == {127}  # averages, no aliasing


def test_packed_data_are_not_packed_again(roots):
    packed = prepare_pack(roots, only=["photos"], options=ONE)["photos"]
    with pytest.raises(GFMError, match="is packed already"):
        prepare_pack(replace(roots, photos=packed), only=["photos"], options=ONE)
    with pytest.raises(GFMError, match="--only coco"):
        prepare_pack(Roots(roots.photos), only=["coco"])
    with pytest.raises(GFMError, match="the source itself"):
        prepare_pack(roots, roots.photos.parent, only=["photos"])


def test_the_current_folder_is_packed_beside_itself(roots, monkeypatch):
    monkeypatch.chdir(roots.photos)
    packed = prepare_pack(Roots("."), options=ONE)["photos"]
    assert packed == roots.photos.with_name("AM-2k_packed")


def test_datasets_are_not_mixed(roots, tmp_path):
    """Equal folders are the same dataset."""
    bg20k, coco = (tmp_path / name / "images" for name in ("bg", "coco"))
    for source, folder in ((roots.bg20k, bg20k), (roots.coco, coco)):
        shutil.copytree(source / "train", folder)
    with pytest.raises(GFMError) as error:
        prepare_pack(replace(roots, bg20k=bg20k, coco=coco), tmp_path / "out", options=ONE)
    assert str(error.value) == (
        f"paths.bg20k={bg20k} and paths.coco={coco} would both be packed into "
        f"{tmp_path / 'out/images'}: pack each with --only and a different --out"
    )
    assert not (tmp_path / "out").exists()
    both = replace(roots, bg20k=coco, coco=coco)
    packed = prepare_pack(both, only=["bg20k", "coco"], options=ONE)
    assert len(set(packed.values())) == 1
    assert len(list(packed["coco"].iterdir())) == 2


def test_a_folder_outside_of_the_dataset_cannot_be_packed(roots, tmp_path):
    (roots.photos / "train/fg").rename(tmp_path / "fg")
    outside = Roots(roots.photos, folders=Folders(foreground=str(tmp_path / "fg")))
    with pytest.raises(GFMError, match=r"fg is outside .*AM-2k, so it cannot be packed: move"):
        prepare_pack(outside, only=["photos"], options=ONE)
    within = replace(outside, folders=Folders(foreground=""))
    assert (prepare_pack(within, only=["photos"], options=ONE)["photos"] / "train/bg").is_dir()


def test_own_photos_are_packed_without_labels(roots, tmp_path):
    root = tmp_path / "mine"
    for part in ("train", "validation"):
        for name, copy in (("original", "images"), ("mask", "alphas")):
            shutil.copytree(roots.photos / part / name, root / part / copy)
    found = find_roots(["data=pairs", f"data.root={root}"])
    packed = prepare_pack(found, tmp_path / "out", options=ONE)["photos"]
    pictures = [path.relative_to(root).with_suffix(".npy") for path in root.rglob("*.*")]
    made = [path.relative_to(packed) for path in packed.rglob("*") if path.is_file()]
    assert sorted(made) == sorted(pictures)
    assert len(made) == 12
    assert not any(photo.labels for photo in Pairs(packed).training("image", is_denoised=False))


@pytest.mark.parametrize("overwrite", [False, True])
def test_packing_spares_a_dataset_that_is_not_packed(roots, tmp_path, overwrite):
    other = tmp_path / "out/AM-2k"
    shutil.copytree(roots.photos, other)
    before = sorted(other.rglob("*"))
    options = Options(1, overwrite=overwrite)
    with pytest.raises(GFMError, match="holds pictures that are not packed: choose another --out"):
        prepare_pack(roots, tmp_path / "out", only=["photos"], options=options)
    assert sorted(other.rglob("*")) == before


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_photo_that_was_renamed_is_not_packed_twice(roots, overwrite):
    packed = prepare_pack(roots, only=["photos"], options=ONE)["photos"]
    for path in list((roots.photos / "train").rglob("m_00000002.*")):
        path.rename(path.with_stem("renamed"))
    words = r"holds pictures that .*AM-2k lacks \(8\), such as .*m_00000002\.npy: remove"
    with pytest.raises(GFMError, match=words):
        prepare_pack(roots, only=["photos"], options=Options(1, overwrite=overwrite))
    for path in list(packed.rglob("m_00000002.npy")):
        path.unlink()
    prepare_pack(roots, only=["photos"], options=ONE)
    assert [photo.name for photo in Roots(packed).training("closed_form", True)][1:] == [
        "m_00000003",
        "m_00000004",
        "renamed",
    ]
