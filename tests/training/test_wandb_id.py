"""A run's folder stores its Weights & Biases id."""

import socket

import pytest

from gfm.training.loggers.wandb_logger import run_id


@pytest.fixture(autouse=True)
def _own_id(monkeypatch):
    monkeypatch.delenv("WANDB_RUN_ID", raising=False)


def test_the_id_survives_another_host_and_a_moved_folder(tmp_path, monkeypatch):
    first = run_id(tmp_path / "run")
    monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")
    assert run_id(tmp_path / "run") == first
    (tmp_path / "run").rename(tmp_path / "moved")
    assert run_id(tmp_path / "moved") == first
    assert run_id(tmp_path / "run") != first


def test_an_agents_id_is_stored(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_RUN_ID", "of_the_agent")
    assert run_id(tmp_path) == "of_the_agent"
    monkeypatch.delenv("WANDB_RUN_ID")
    assert run_id(tmp_path) == "of_the_agent"


def test_only_rank_zero_writes_the_id(tmp_path, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    run_id(tmp_path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert run_id(tmp_path) == run_id(tmp_path)
