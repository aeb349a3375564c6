"""What breaks where a release of Weights & Biases changes its file of a run."""

import os

import wandb

from gfm.compat.wandb import last_row, records, row, write_promptly
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
