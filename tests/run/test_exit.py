"""Errors of entry points: one line for bad input, a traceback for anything else."""

import os
from types import SimpleNamespace

import pytest
import torch
from torch.multiprocessing.spawn import ProcessRaisedException

from gfm.errors import GFMError
from gfm.run.exit import report_errors
from gfm.system.console import open_log
from tests.reliability.entry import evaluate_status, train_status


def logged(path, error: Exception) -> str:
    """Return the log of a run that raises an error, without its first line."""

    def run() -> None:
        with report_errors():
            open_log(path)
            raise error

    expected = SystemExit if isinstance(error, GFMError) else type(error)
    with pytest.raises(expected):
        run()
    return path.read_text().partition("\n")[2]


def test_an_unexpected_error_is_logged_with_its_traceback(tmp_path):
    text = logged(tmp_path / "train.log", ZeroDivisionError("by zero"))
    assert text.startswith("Traceback")
    assert "ZeroDivisionError: by zero" in text


def test_an_error_of_a_spawned_process_is_one_line(capsys):
    text = "\n\n-- Process 1 terminated\nTraceback:\n  File\ngfm.errors.GFMError: lower the rate\n"
    with pytest.raises(SystemExit, match="1"), report_errors():
        raise ProcessRaisedException(text, 1, 1)
    assert capsys.readouterr().err == "error: lower the rate\n"


@pytest.mark.parametrize(("new", "said"), [("new", "progress saved: "), (None, "")])
def test_only_a_checkpoint_of_this_start_is_progress(tmp_path, capsys, new, said):
    saved = tmp_path / "last.ckpt"
    saved.touch()
    os.utime(saved, (1, 1))

    def interrupt():
        with report_errors("a command", saved):
            if new:
                saved.write_text(new)
            raise KeyboardInterrupt

    with pytest.raises(SystemExit, match="130"):
        interrupt()
    assert capsys.readouterr().err == f"interrupted; {said}resume with a command\n"


def test_a_sweep_can_be_resumed_before_its_job_has_saved(tmp_path, monkeypatch, capsys):
    hydra = SimpleNamespace(sweep=SimpleNamespace(dir="sweep"))
    monkeypatch.setattr("gfm.run.exit.HydraConfig.get", lambda: hydra)
    monkeypatch.setattr("gfm.run.exit.in_sweep", lambda: True)
    with pytest.raises(SystemExit), report_errors("a command", tmp_path / "last.ckpt"):
        raise KeyboardInterrupt
    said = "interrupted; resume with the same command and hydra.sweep.dir=sweep\n"
    assert capsys.readouterr().err == said


def test_bad_input_is_logged_in_one_line(tmp_path):
    text = logged(tmp_path / "train.log", GFMError("no folder x: set y"))
    assert text == "error: no folder x: set y\n"


@pytest.mark.parametrize(("is_run", "fix"), [(True, "data.batch_size"), (False, "--device cpu")])
def test_a_gpu_without_memory_ends_in_one_line(monkeypatch, capsys, is_run, fix):
    monkeypatch.setattr("gfm.run.exit.HydraConfig.initialized", lambda: is_run)
    monkeypatch.setattr("gfm.run.exit.in_sweep", lambda: False)
    with pytest.raises(SystemExit), report_errors():
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB")
    assert fix in " ".join(capsys.readouterr().err.split())


def test_an_evaluation_that_fails_to_start_has_a_log(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert evaluate_status(monkeypatch, "paths.run=run", "protocol=x") == 1
    assert "error: protocol=x" in (tmp_path / "run/evaluate.log").read_text()


def test_a_deleted_current_folder_is_one_line(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "deleted"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert train_status(monkeypatch, "seed=1") == 1
    said = "error: the current folder was deleted: change to another, as in cd ~\n"
    assert capsys.readouterr().err == said
