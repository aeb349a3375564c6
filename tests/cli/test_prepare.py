"""The command line of ``gfm prepare`` and ``gfm check``."""

import shlex
import shutil

import pytest
from typer.testing import CliRunner

from gfm.cli import app
from gfm.cli.datasets import find_roots
from gfm.data.layout import Folders, Roots
from gfm.errors import GFMError


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
    overrides = [f"paths.am2k={roots.photos}", "--out", str(tmp_path / "my data"), "--workers", "1"]
    result = CliRunner().invoke(app, ["prepare", "pack", "--only", "photos", *overrides])
    assert result.exit_code == 0, result.output
    last = shlex.split(result.output.splitlines()[-1])
    assert last == ["use", f"paths.am2k='{tmp_path / 'my data/AM-2k'}'"]


@pytest.mark.parametrize("command", ["foregrounds", "denoise", "trimaps", "pack"])
def test_errors_of_commands_are_one_line(command):
    result = CliRunner().invoke(app, ["prepare", command, "--shard", "2/1"])
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert result.output.startswith("error: --shard 2/1")
