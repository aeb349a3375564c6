"""metrics.csv keeps all logged rows, whenever a run is killed and resumed."""

import csv
import signal

import pytest
import torch

from gfm.errors import WriteError
from gfm.training.loggers.csv import ContinuedCSVLogger, read_rows
from tests import processes


@pytest.fixture
def begun(tmp_path):
    """The table of a run of four steps, the last of which was validated."""
    logger = ContinuedCSVLogger(tmp_path)
    for step in range(4):
        logger.log_metrics({"train/loss": torch.tensor(step + 0.5), "epoch": 0}, step)
    logger.log_metrics({"val/sad": 9.0, "epoch": 0}, 3)
    return tmp_path / "metrics.csv"


def steps(path) -> list[tuple[int, str]]:
    named = {"train/loss": "loss", "val/sad": "sad", "test/sad": "test"}
    return [
        (int(r["step"]), next(v for k, v in named.items() if r.get(k)))
        for r in csv.DictReader(path.open(newline=""))
    ]


def test_rows_are_written_immediately(begun):
    assert steps(begun) == [(0, "loss"), (1, "loss"), (2, "loss"), (3, "loss"), (3, "sad")]
    rows = list(csv.DictReader(begun.open(newline="")))
    assert rows[0] == {"epoch": "0", "step": "0", "train/loss": "0.5", "val/sad": ""}


def test_a_killed_process_loses_no_row(tmp_path):
    code = (
        "import os, signal\n"
        "from gfm.training.loggers.csv import ContinuedCSVLogger\n"
        f"logger = ContinuedCSVLogger({str(tmp_path)!r})\n"
        "for step in range(3): logger.log_metrics({'train/loss': 1.0}, step)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert processes.run(["-c", code]).returncode == -signal.SIGKILL
    assert len(read_rows(tmp_path / "metrics.csv")) == 3


def test_opening_a_table_without_logging_changes_nothing(begun):
    before = begun.read_bytes()
    logger = ContinuedCSVLogger(begun.parent)
    assert logger.save_dir == str(begun.parent)
    logger.log_hyperparams({"seed": 1})
    logger.save()
    logger.finalize("failed")
    assert begun.read_bytes() == before


@pytest.mark.parametrize("name", ["train/loss", "train/new"])
def test_a_kill_while_the_table_is_rewritten_loses_nothing(begun, monkeypatch, name):
    """The table is rewritten for repeated steps and for new columns."""
    before = begun.read_bytes()

    def killed(*args):
        raise KeyboardInterrupt

    logger = ContinuedCSVLogger(begun.parent)
    monkeypatch.setattr("os.replace", killed)
    with pytest.raises(KeyboardInterrupt):
        logger.log_metrics({name: 1.0}, 2)
    assert begun.read_bytes() == before
    assert [path.name for path in begun.parent.iterdir()] == ["metrics.csv"]


def test_repeated_steps_replace_the_earlier_rows(begun):
    ContinuedCSVLogger(begun.parent).log_metrics({"train/loss": 7.0}, 2)
    assert steps(begun) == [(0, "loss"), (1, "loss"), (2, "loss")]
    assert read_rows(begun)[-1]["train/loss"] == "7.0"


def test_a_repeated_validation_keeps_the_row_of_its_step(begun):
    ContinuedCSVLogger(begun.parent).log_metrics({"val/sad": 8.0}, 3)
    assert steps(begun)[-2:] == [(3, "loss"), (3, "sad")]
    assert len(read_rows(begun)) == 5
    assert read_rows(begun)[-1]["val/sad"] == "8.0"


def test_the_final_test_drops_no_row(begun):
    """Processes started only for it count from 0."""
    for value in (5.0, 6.0):
        ContinuedCSVLogger(begun.parent).log_metrics({"test/sad": value}, 0)
        assert len(steps(begun)) == 6
        assert steps(begun)[-1] == (3, "test")
    assert read_rows(begun)[-1]["test/sad"] == "6.0"


def test_an_incomplete_row_is_ignored(begun):
    begun.write_bytes(begun.read_bytes() + b"0,4,17.")
    assert len(read_rows(begun)) == 5
    logger = ContinuedCSVLogger(begun.parent)
    logger.log_metrics({"train/loss": 1.0}, 4)
    logger.log_metrics({"train/loss": 2.0}, 5)
    assert [step for step, _ in steps(begun)] == [0, 1, 2, 3, 3, 4, 5]


def test_rows_without_a_step_are_counted(tmp_path):
    logger = ContinuedCSVLogger(tmp_path)
    logger.log_metrics({"test/sad": 1.0})
    logger.log_metrics({"other": 2.0})
    assert [row["step"] for row in read_rows(tmp_path / "metrics.csv")] == ["0", "1"]


def test_a_deleted_folder_is_an_error(begun):
    logger = ContinuedCSVLogger(begun.parent)
    logger.log_metrics({"train/loss": 1.0}, 4)
    begun.unlink()
    begun.parent.rmdir()
    with pytest.raises(WriteError, match=r"cannot write .*metrics\.csv"):
        logger.log_metrics({"train/loss": 1.0}, 5)
