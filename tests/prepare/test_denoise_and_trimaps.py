"""Denoised pictures, and the trimaps of validation photos."""

import importlib.util
import shutil
import sys
import types

import numpy as np
import pytest

from gfm.data.images import read_alpha, read_image, write_png
from gfm.data.layout import Roots, scenes
from gfm.data.trimap import trimap_from_alpha
from gfm.errors import GFMError
from gfm.prepare.denoise import denoise, prepare_denoise
from gfm.prepare.runner import Options
from gfm.prepare.trimaps import prepare_trimaps

ONE = Options(num_workers=1)


def _noisy():
    y, x = np.mgrid[:96, :96]
    clean = np.dstack([x + 60, y + 60, 200 - (x > 48) * 90]).astype(np.uint8)
    noise = np.random.default_rng(0).standard_normal(clean.shape) * 10
    return clean, np.clip(clean + noise + 0.5, 0, 255).astype(np.uint8)


def test_denoising_removes_noise_and_keeps_edges():
    pytest.importorskip("skimage")
    clean, noisy = _noisy()
    result = denoise(noisy)
    assert result.dtype == np.uint8
    before = np.abs(noisy.astype(float) - clean).mean()
    assert np.abs(result.astype(float) - clean).mean() < 0.35 * before
    edge = result[:, 46:50, 2].astype(float).mean(axis=0)
    assert edge[2] - edge[3] > 80
    np.testing.assert_array_equal(denoise(clean, sigma=1e-6), clean)


def test_bm3d_gets_images_in_0_1(monkeypatch):
    module = types.ModuleType("bm3d")
    seen = []
    module.bm3d_rgb = lambda image, sigma: (seen.append((image.max(), sigma)), image + 2.0)[1]
    monkeypatch.setitem(sys.modules, "bm3d", module)
    assert denoise(_noisy()[1], "bm3d", 51.0).min() == 255  # saturates above 1
    assert seen[0][0] <= 1
    assert seen[0][1] == pytest.approx(0.2)


def test_training_reads_denoised_folders(roots, monkeypatch):
    for folder in (
        "AM-2k/train/original_denoise",
        "AM-2k/train/fg_denoise",
        "BG-20k/train_denoise",
    ):
        shutil.rmtree(roots.photos.parent / folder)
    monkeypatch.setattr("gfm.prepare.denoise.METHODS", {"nlm": lambda image, sigma: image})
    prepare_denoise(roots, options=ONE)
    for photo in roots.training("closed_form", is_denoised=True):
        assert photo.denoised.suffix == ".jpg"
        error = read_image(photo.denoised).astype(int) - read_image(photo.foreground)
        assert np.abs(error).mean() < 2
    for scene in scenes(roots.bg20k, "paths.bg20k", is_denoised=True):
        error = read_image(scene.denoised).astype(int) - read_image(scene.image)
        assert np.abs(error).mean() < 3


def test_only_the_named_folder(roots):
    shutil.rmtree(roots.bg20k / "train_denoise")
    with pytest.raises(GFMError, match="--only fur: no such source; choose from original, fg, bg"):
        prepare_denoise(roots, only=["fur"])
    prepare_denoise(roots, only=["fg"], options=ONE)
    assert not (roots.bg20k / "train_denoise").exists()
    with pytest.raises(
        GFMError, match=r"paths\.am2k=.*BG-20k has no folder of pictures to denoise"
    ):
        prepare_denoise(Roots(roots.bg20k))


def test_missing_packages_are_named(roots, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(GFMError, match=r"bm3d .*non-commercial.*pip install bm3d"):
        prepare_denoise(roots, "bm3d")
    with pytest.raises(GFMError, match=r"scikit-image is missing: pip install"):
        prepare_denoise(roots)
    with pytest.raises(GFMError, match="--method median"):
        prepare_denoise(roots, "median")


def test_trimaps_complete_the_folder(roots):
    old, new = (photo.trimap for photo in roots.validation())
    write_png(old, read_alpha(old) * 0)
    new.unlink()
    prepare_trimaps(roots.photos, options=ONE)
    first, second = roots.validation()
    assert not read_alpha(first.trimap).any()
    expected = trimap_from_alpha(read_alpha(second.alpha), 25)
    np.testing.assert_array_equal(read_alpha(second.trimap), expected)
