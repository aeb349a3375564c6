"""``gfm export`` and ``gfm convert`` replace neither their input nor files of others."""

from pathlib import Path

import pytest
import safetensors.torch
import torch
from typer.testing import CliRunner

from gfm.checkpoints import Checkpoint, write_checkpoint
from gfm.checkpoints.export.hub import HUB_FILES
from gfm.cli import app
from gfm.compat.hydra import instantiate
from tests.conftest import SMALL_NODE


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("run") / "best.ckpt"
    write_checkpoint(path, Checkpoint(SMALL_NODE, instantiate(SMALL_NODE).state_dict()))
    return path


def _run(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "300"})


def _assert_refused(done, path: Path, reason: str) -> None:
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {path} {reason}"), line


FOREIGN = {
    "README.md": b"# My project\n\nIt uses gfm-matting for its cut-outs.\n",
    "config.json": b'{"generator": "something else"}',
    "model.safetensors": safetensors.torch.save({"weight": torch.ones(2)}, {"format": "pt"}),
}


@pytest.mark.parametrize("name", HUB_FILES)
def test_a_hub_folder_keeps_the_files_of_others(checkpoint, tmp_path, name):
    (tmp_path / name).write_bytes(FOREIGN[name])
    done = _run("export", "hub", checkpoint, tmp_path)
    _assert_refused(done, tmp_path / name, "exists and was not written by gfm export")
    assert "--overwrite" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == FOREIGN[name]
    for options in (["--overwrite"], []):  # after the first, gfm has written the files itself
        assert _run("export", "hub", checkpoint, tmp_path, *options).exit_code == 0
    assert (tmp_path / name).read_bytes() != FOREIGN[name]


def test_an_edited_card_is_kept(checkpoint, tmp_path):
    card = tmp_path / "README.md"
    assert _run("export", "hub", checkpoint, tmp_path).exit_code == 0
    for old, new in (("computes", "finds"), ("---\n", "---\n\n"), ("-->", "--> Mine.")):
        written = card.read_text()
        card.write_text(written.replace(old, new, 1))
        done = _run("export", "hub", checkpoint, tmp_path)
        _assert_refused(
            done, card, "exists and was not written by gfm export, or was edited since: "
        )
        card.write_text(written)
    assert _run("export", "hub", checkpoint, tmp_path, "--license", "mit").exit_code == 0


def test_the_printed_command_quotes_the_folder(checkpoint, tmp_path):
    folder = tmp_path / "my matting"
    done = _run("export", "hub", checkpoint, folder)
    assert f"hf upload <user>/'my matting' '{folder}'" in done.stdout


@pytest.mark.parametrize(
    ("kind", "suffix"), [("safetensors", ".safetensors"), ("onnx", ".onnx"), ("torch", ".pt2")]
)
@pytest.mark.parametrize("content", [b"", FOREIGN["model.safetensors"]])
def test_files_of_other_programs_are_not_overwritten(checkpoint, tmp_path, kind, suffix, content):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    done = _run("export", kind, checkpoint, path)
    _assert_refused(done, path, "exists and was not written by gfm export")
    assert path.read_bytes() == content


def test_a_conversion_replaces_no_checkpoint_of_a_run(checkpoint, tmp_path):
    path = tmp_path / "last.ckpt"
    path.write_bytes(checkpoint.read_bytes())
    done = _run("convert", checkpoint, path)
    _assert_refused(done, path, "exists and may be the checkpoint of a run: choose another name")
    assert _run("convert", checkpoint, path, "--overwrite").exit_code == 0


def test_own_safetensors_are_replaced(checkpoint, tmp_path):
    path = tmp_path / "a.safetensors"
    for licence in ("mit", "cc-by-4.0"):
        assert _run("export", "safetensors", checkpoint, path, "--license", licence).exit_code == 0
    assert b"cc-by-4.0" in path.read_bytes()


def test_an_input_is_never_overwritten(checkpoint, tmp_path):
    path = tmp_path / "model.safetensors"
    assert _run("convert", checkpoint, path).exit_code == 0
    before = path.read_bytes()
    for words in (
        ("convert", path, path),
        ("export", "safetensors", path, path, "--overwrite"),
        ("export", "hub", path, tmp_path, "--overwrite"),
        ("export", "hub", tmp_path, tmp_path, "--overwrite"),
    ):
        _assert_refused(_run(*words), path, "is the checkpoint itself: ")
    assert path.read_bytes() == before
