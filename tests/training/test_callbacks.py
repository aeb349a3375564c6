"""Previews and W&B's mode."""

import netrc
import socket
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from gfm.inference import Prediction
from gfm.training.callbacks import SkippedFiles, skipped_files
from gfm.training.callbacks.previews import PANEL, panel
from gfm.training.loggers.wandb_logger import wandb_mode


def test_panel_shows_six_pictures_in_order():
    image = torch.full((3, 60, 90), 10, dtype=torch.uint8)
    truth = torch.full((1, 60, 90), 200, dtype=torch.uint8)
    glance, focus, alpha = (torch.full((1, 1, 60, 90), v) for v in (0.5, 0.25, 0.75))
    sheet = panel(image, truth, Prediction(alpha, glance, focus, {}), height=30)
    assert sheet.shape == (30, 45 * len(PANEL), 3)
    assert sheet.dtype == np.uint8
    assert [int(sheet[15, 45 * i + 20, 0]) for i in range(5)] == [10, 128, 64, 191, 200]
    red, green, blue = (int(v) for v in sheet[15, -20])
    assert blue > green > red  # the alpha is somewhat too transparent
    assert cv2.imencode(".png", sheet)[0]


@pytest.fixture
def logged_out(monkeypatch, tmp_path):
    """A machine where no one is logged in to W&B."""
    proxies = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_BASE_URL", *proxies):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path))
    return tmp_path


def test_wandb_is_offline_without_a_key(logged_out):
    assert wandb_mode() == "offline"


def test_wandb_obeys_its_own_variable(logged_out, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert wandb_mode() == "disabled"


@pytest.mark.parametrize("where", ["environment", "netrc"])
def test_wandb_is_online_only_where_the_server_answers(logged_out, monkeypatch, where):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{port}")
        if where == "environment":
            monkeypatch.setenv("WANDB_API_KEY", "k")
        else:
            (logged_out / "netrc").write_text("machine 127.0.0.1 login user password k\n")
            assert netrc.netrc(str(logged_out / "netrc")).hosts
        assert wandb_mode() == "online"
    assert wandb_mode(timeout=0.5) == "offline"  # the server is gone: no hanging


@pytest.mark.parametrize("scheme", ["http://", ""])
def test_wandb_is_online_where_its_proxy_answers(logged_out, monkeypatch, scheme):
    monkeypatch.setenv("WANDB_API_KEY", "k")
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.invalid")
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        monkeypatch.setenv("https_proxy", f"{scheme}127.0.0.1:{proxy.getsockname()[1]}")
        assert wandb_mode() == "online"
        monkeypatch.setenv("no_proxy", "wandb.invalid")
        assert wandb_mode() == "offline"


@pytest.mark.parametrize("mode", ["online", "offline", "disabled"])
def test_wandb_obeys_its_stored_settings(logged_out, monkeypatch, mode):
    """``wandb offline``, ``wandb disabled`` and ``wandb login --host``."""
    monkeypatch.setenv("WANDB_API_KEY", "k")
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        (logged_out / "settings").write_text(f"[default]\nmode = {mode}\nbase_url = {url}\n")
        assert wandb_mode() == mode
    assert wandb_mode(timeout=0.5) == ("disabled" if mode == "disabled" else "offline")


@pytest.mark.parametrize("num_ranks", [1, 2])
def test_skipped_files_are_named_once_and_counted(capsys, monkeypatch, num_ranks):
    trainers = [
        SimpleNamespace(world_size=num_ranks, global_rank=rank, is_global_zero=rank == 0)
        for rank in range(num_ranks)
    ]
    batches = ["", "cannot read a.jpg"], ["cannot read a.jpg\ncannot read b.jpg", ""]
    callbacks = [SkippedFiles() for _ in trainers]
    for number, skipped in enumerate(batches):
        rank = number % num_ranks
        callbacks[rank].on_train_batch_end(trainers[rank], None, None, {"skipped": skipped}, 0)
    if num_ranks == 2:
        gathered = {rank: callback.unreported for rank, callback in enumerate(callbacks)}
        monkeypatch.setattr(skipped_files, "all_gather_dict", lambda _: gathered)
    for hook in ("on_train_epoch_end", "on_train_end"):
        for callback, trainer in zip(callbacks, trainers, strict=True):
            getattr(callback, hook)(trainer, None)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "skipped: cannot read a.jpg",
        "skipped: cannot read b.jpg",
        "3 samples were replaced because of 2 unreadable files",
    ]
