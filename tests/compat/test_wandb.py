"""W&B's private APIs and file format: a test fails if a release changes them."""

import os
import re
from pathlib import Path
from typing import Any

import wandb

from gfm.compat.wandb import (
    continue_step_count,
    last_row,
    last_row_of_earlier_starts,
    records,
    row,
    set_flush_interval,
)
from tests.training.wandb_file import read


def test_rows_are_read_back_from_the_end_of_a_long_file(tmp_path, monkeypatch):
    monkeypatch.setattr("gfm.compat.wandb._TAIL", 2)
    run = wandb.init(mode="offline", dir=str(tmp_path), id="x", settings={"silent": True})
    for step in range(300):
        run.log({"a": step, "b": {"c": "-" * 400}, "trainer/global_step": step // 2})
    run.finish()
    (path,) = tmp_path.glob("wandb/offline-run-*/run-x.wandb")
    read(path)  # waits until it is complete
    data = path.read_bytes()
    assert len(data) > 5 * 32768
    every = [row(record) for record in records(data) if record.history.item]
    assert [line["a"] for line in every] == list(range(300))
    assert [line["_step"] for line in every] == list(range(300))
    last = last_row(path)
    assert (last["a"], last["b/c"], last["_step"]) == (299, "-" * 400, 299)
    path.write_bytes(data[: len(data) // 2])  # as a killed process leaves it
    cut = last_row(path)
    assert 100 < cut["a"] < 200
    path.write_bytes(data[:7])
    assert last_row(path) is None


def _started(folder: Path, *rows: dict[str, int]) -> Any:
    run = wandb.init(mode="offline", dir=str(folder), id="x", settings={"silent": True})
    for each in rows:
        run.log(each)
    return run


def _ended(run: Any) -> Path:
    """Return the file of a run once it is complete."""
    run.finish()
    (path,) = Path(run.dir).parent.glob("*.wandb")
    read(path)
    return path


def _backdate(path: Path) -> None:
    """Backdate a start, because two within one second get unusual folder names."""
    folder = path.parent
    folder.rename(folder.with_name(re.sub(r"run-\d{4}", "run-2020", folder.name)))


def test_a_resumed_run_finds_its_last_row_and_continues_the_count(tmp_path):
    run = _started(tmp_path, {"a": 5}, {"a": 6}, {"a": 7})
    assert last_row_of_earlier_starts(run) is None
    _backdate(_ended(run))
    run = _started(tmp_path)
    before = last_row_of_earlier_starts(run)
    assert before["a"] == 7
    continue_step_count(run, before)
    run.log({"a": 8})
    every = [row(record) for record in read(_ended(run)) if record.history.item]
    assert [(line["_step"], line["a"]) for line in every] == [(3, 8)]


def test_a_run_killed_before_its_first_row_has_none(tmp_path):
    _backdate(_ended(_started(tmp_path)))
    run = _started(tmp_path)
    assert last_row_of_earlier_starts(run) == {}
    run.finish()


def test_wandb_has_the_option_of_the_flush_interval(monkeypatch):
    monkeypatch.delenv("WANDB_X_TRANSACTION_LOG_FLUSH_INTERVAL", raising=False)
    set_flush_interval(0.5)
    settings = wandb.Settings()
    settings.update_from_env_vars({"WANDB_X_TRANSACTION_LOG_FLUSH_INTERVAL": "0.5"})
    known = getattr(settings, "x_transaction_log_flush_interval", 0.5)  # older: writes at once
    assert known == 0.5
    monkeypatch.setenv("WANDB_X_TRANSACTION_LOG_FLUSH_INTERVAL", "7")
    set_flush_interval(0.5)
    assert os.environ["WANDB_X_TRANSACTION_LOG_FLUSH_INTERVAL"] == "7"
