"""Denoising, trimaps, and the command line of ``gfm prepare`` and ``gfm check``."""

import importlib.util
import shutil
import sys
import types

import numpy as np
import pytest
from typer.testing import CliRunner

from gfm.cli import app
from gfm.cli.datasets import find_roots
from gfm.data.images import read_alpha, read_image, write_png
from gfm.data.layout import Folders, Roots, scenes
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


def test_folder_names_are_options(roots, tmp_path):
    root = tmp_path / "P3M-10k"
    shutil.copytree(roots.photos / "train/original", root / "train/blurred_image")
    shutil.copytree(roots.photos / "train/mask", root / "train/mask")
    for name, copy in (("original", "blurred_image"), ("mask", "mask")):
        shutil.copytree(roots.photos / "validation" / name, root / "validation/P3M-500-P" / copy)
    overrides = ["data=p3m10k", f"paths.p3m10k={root}"]
    found = find_roots(overrides)
    assert isinstance(found.folders, Folders)
    assert len(found.training("image", False)) == 4
    assert len(found.validation()) == 2
    result = CliRunner().invoke(app, ["prepare", "trimaps", "--workers", "1", *overrides])
    assert result.exit_code == 0, result.output
    assert all(photo.trimap for photo in find_roots(overrides).validation())
    assert len(list((root / "validation/P3M-500-P/trimap").iterdir())) == 2
    shutil.rmtree(root / "train/mask")
    with pytest.raises(GFMError, match=r"set paths\.p3m10k=<folder that holds train/mask>"):
        found.training("image", False)


def test_overrides(roots, tmp_path):
    found = find_roots([f"paths.am2k={roots.photos}", "paths.coco=" + str(roots.coco)])
    assert found == Roots(roots.photos, None, roots.coco)
    for overrides, fault in (
        ([str(roots.photos)], "is not NAME=VALUE"),
        (["paths.am2k=/nowhere"], r"no folder /nowhere: set paths\.am2k"),
        ([f"paths.am2k={roots.photos}", "paths.bg20k=/nowhere"], r"set paths\.bg20k"),
        (["data=folder"], r"set data\.root"),
    ):
        with pytest.raises(GFMError, match=fault):
            find_roots(overrides)


def test_trimaps_can_be_prepared_in_a_folder_that_is_missing(roots):
    root = roots.photos / "validation"
    found = find_roots(["data=pairs", f"data.root={root}", "data.trimaps=new"])
    assert found.folders.validation_trimap == "new"
    found = find_roots(["data=pairs", f"data.root={root}", "data.trimaps=none"])
    assert found.folders.validation_trimap == "trimaps"


def test_plain_test_set_has_no_training_photos(roots):
    root = roots.photos / "validation"
    overrides = [f"data.root={root}", "data.images=original", "data.alphas=mask", "data=folder"]
    result = CliRunner().invoke(app, ["check", "--workers", "1", *overrides])
    assert result.exit_code == 0, result.output
    assert "mask 2, original 2" in result.output


def test_check_command_exits_with_a_status(roots):
    overrides = [f"paths.am2k={roots.photos}", f"paths.bg20k={roots.bg20k}"]
    result = CliRunner().invoke(app, ["check", "--workers", "1", *overrides])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == "no problems"
    next((roots.photos / "train/mask").iterdir()).unlink()
    result = CliRunner().invoke(app, ["check", "--workers", "1", *overrides])
    assert result.exit_code == 1
    assert "lacks 1 of 4" in result.output
    assert "1 problem" in result.output


def test_pack_command_prints_the_overrides_to_use_it(roots, tmp_path):
    overrides = [f"paths.am2k={roots.photos}", "--out", str(tmp_path / "out"), "--workers", "1"]
    result = CliRunner().invoke(app, ["prepare", "pack", "--only", "photos", *overrides])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == f"use paths.am2k={tmp_path / 'out/AM-2k'}"


@pytest.mark.parametrize("command", ["foregrounds", "denoise", "trimaps", "pack"])
def test_errors_of_commands_are_one_line(command):
    result = CliRunner().invoke(app, ["prepare", command, "--shard", "2/1"])
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert result.output.startswith("error: --shard 2/1")
