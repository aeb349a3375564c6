"""What breaks where a release of Weights & Biases changes its file of a run."""

import os
import re
from pathlib import Path
from typing import Any

import wandb

from gfm.compat.wandb import count_on, last_row, last_row_before, records, row, write_promptly
from tests.training.wandb_file import read


def test_rows_are_read_back_from_the_end_of_a_long_file(tmp_path, monkeypatch):
    monkeypatch.setattr("gfm.compat.wandb._TAIL", 2)
    run = wandb.init(mode="offline", dir=str(tmp_path), id="x", settings={"silent": True})
    for step in range(300):
        run.log({"a": step, "b": {"c": "-" * 400}, "trainer/global_step": step // 2})
    run.finish()
    (path,) = tmp_path.glob("wandb/offline-run-*/run-x.wandb")
    read(path)  # waits for its end
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
    """Return the file of a run, after it was written to its end."""
    run.finish()
    (path,) = Path(run.dir).parent.glob("*.wandb")
    read(path)
    return path


def _of_last_year(path: Path) -> None:
    """Date a start back, because two within a second get folders of other names."""
    folder = path.parent
    folder.rename(folder.with_name(re.sub(r"run-\d{4}", "run-2020", folder.name)))


def test_a_run_that_is_started_again_finds_its_last_row_and_counts_on(tmp_path):
    run = _started(tmp_path, {"a": 5}, {"a": 6}, {"a": 7})
    assert last_row_before(run) is None
    _of_last_year(_ended(run))
    run = _started(tmp_path)
    before = last_row_before(run)
    assert before["a"] == 7
    count_on(run, before)
    run.log({"a": 8})
    every = [row(record) for record in read(_ended(run)) if record.history.item]
    assert [(line["_step"], line["a"]) for line in every] == [(3, 8)]


def test_a_run_that_was_killed_before_its_first_row_has_none(tmp_path):
    _of_last_year(_ended(_started(tmp_path)))
    run = _started(tmp_path)
    assert last_row_before(run) == {}
    run.finish()


def test_the_interval_of_writing_is_an_option_that_it_knows(monkeypatch):
    monkeypatch.delenv("WANDB_X_TRANSACTION_LOG_FLUSH_INTERVAL", raising=False)
    write_promptly(0.5)
    settings = wandb.Settings()
    settings.update_from_env_vars({"WANDB_X_TRANSACTION_LOG_FLUSH_INTERVAL": "0.5"})
    known = getattr(settings, "x_transaction_log_flush_interval", 0.5)  # older: writes at once
    assert known == 0.5
    monkeypatch.setenv("WANDB_X_TRANSACTION_LOG_FLUSH_INTERVAL", "7")
    write_promptly(0.5)
    assert os.environ["WANDB_X_TRANSACTION_LOG_FLUSH_INTERVAL"] == "7"
