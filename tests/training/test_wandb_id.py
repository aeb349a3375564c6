"""A run's folder stores its Weights & Biases id."""

import socket

import pytest

from gfm.training.loggers.wandb_logger import run_id


@pytest.fixture(autouse=True)
def _own_id(monkeypatch):
    monkeypatch.delenv("WANDB_RUN_ID", raising=False)


def test_it_stays_on_another_host_and_in_a_folder_that_was_moved(tmp_path, monkeypatch):
    first = run_id(tmp_path / "run")
    monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")
    assert run_id(tmp_path / "run") == first
    (tmp_path / "run").rename(tmp_path / "moved")
    assert run_id(tmp_path / "moved") == first
    assert run_id(tmp_path / "run") != first


def test_the_one_of_an_agent_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_RUN_ID", "of_the_agent")
    assert run_id(tmp_path) == "of_the_agent"
    monkeypatch.delenv("WANDB_RUN_ID")
    assert run_id(tmp_path) == "of_the_agent"


def test_other_processes_write_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    run_id(tmp_path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert run_id(tmp_path) == run_id(tmp_path)
