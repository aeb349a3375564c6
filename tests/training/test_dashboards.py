"""What a run leaves on a dashboard, read back from an offline run's own file."""

import subprocess

import pytest
import torch

from gfm.launch.train import train
from gfm.metrics import METRIC_NAMES
from gfm.training.provenance import commit, provenance
from tests.conftest import PROJECT, compose_config
from tests.training.wandb_file import described, logged


def test_wandb_keeps_all_of_an_offline_run(tiny_training, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("HOME", str(tmp_path))
    options = [o for o in tiny_training if not o.startswith("logger")]
    _, objects = train(compose_config("train", [*options, "logger=many"]))
    values = logged(tmp_path / "run")
    terms = ["glance", "focus_alpha", "focus_laplacian", "fusion_alpha", "fusion_laplacian"]
    expected = {"train/loss", *(f"train/loss_{term}" for term in terms), "lr-Adam"}
    expected |= {"train/samples_per_second", "train/data_wait", "train/gradient_norm"}
    expected |= {f"val/{name}" for name in METRIC_NAMES["gfm"]}
    assert expected <= values.keys()
    assert values["val/previews/count"] == 1
    assert values["val/per_image/ncols"] == 1 + len(METRIC_NAMES["gfm"])
    assert values["val/per_image/nrows"] == 2
    name, tags, config = described(tmp_path / "run")
    assert name == "test_resnet_tt_ori"
    assert tags == ["test_resnet", "tt", "ori", "demo"]
    assert config["backbone"]["name"] == "test_resnet"
    assert config["optimizer"]["lr"] == 7e-4
    assert config["provenance"] == provenance(objects["datamodule"])
    saved = torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)
    assert saved["hyper_parameters"]["provenance"] == config["provenance"]


def test_provenance_tells_data_and_code_apart(tiny_training, demo_roots):
    _, objects = train(
        compose_config("train", [*tiny_training, "logger=none", "trainer.fast_dev_run=true"])
    )
    datamodule = objects["datamodule"]
    before = provenance(datamodule)
    assert before == provenance(datamodule)
    datamodule.photos = datamodule.photos[:1]
    assert provenance(datamodule)["data"] != before["data"]
    assert torch.__version__.startswith(before["packages"]["torch"])
    try:
        command = ["git", "rev-parse", "HEAD"]
        head = subprocess.check_output(command, cwd=PROJECT, text=True, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        assert commit() is None
    else:
        assert head.startswith(commit().removesuffix("-dirty"))


def test_tensorboard_keeps_curves_and_pictures(tiny_training, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    options = [o for o in tiny_training if not o.startswith("logger")]
    train(compose_config("train", [*options, "logger=tensorboard"]))
    events = accumulator.EventAccumulator(str(tmp_path / "run")).Reload()
    assert {"train/loss", "val/sad", "lr-Adam"} <= set(events.Tags()["scalars"])
    assert events.Tags()["images"] == ["val/previews"]
