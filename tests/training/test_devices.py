"""What training and validation require of devices: cuDNN's search, compiled graphs, float64."""

from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from gfm.models.gfm import GFM
from gfm.run.train import train
from gfm.training.callbacks import LearningRate
from tests.conftest import compose_config


class Watch(pl.Callback):
    """Records a value in each phase."""

    def __init__(self, value):
        self.value = value
        self.seen = {"train": [], "val": []}

    def on_train_batch_end(self, *_):  # before a validation
        self.seen["train"].append(self.value())

    def on_validation_batch_end(self, *_):
        self.seen["val"].append(self.value())


def train_watched(options, monkeypatch, value):
    watch = Watch(value)
    fit = pl.Trainer.fit

    def watched(self, *args, **kwargs):
        self.callbacks.append(watch)
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(pl.Trainer, "fit", watched)
    train(compose_config("train", [*options, "logger=none", "test=false"]))
    return watch.seen


EACH_STEP = ["trainer.val_check_interval=1", "trainer.limit_val_batches=1"]


@pytest.mark.parametrize(
    ("option", "expected"),
    [("null", {"train": {True}, "val": {False}}), ("false", {"train": {False}, "val": {False}})],
)
def test_cudnn_searches_only_in_training(tiny_training, monkeypatch, option, expected):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    options = [*tiny_training, *EACH_STEP, f"trainer.benchmark={option}"]
    seen = train_watched(options, monkeypatch, lambda: torch.backends.cudnn.benchmark)
    assert {phase: set(values) for phase, values in seen.items()} == expected
    assert len(seen["train"]) == 2  # the second after a validation
    assert not torch.backends.cudnn.benchmark


def test_validation_compiles_nothing(tiny_training, monkeypatch):
    """Neither for whole photos nor for the statistics of norms, which break the graph."""
    compiled = []

    def backend(graph, inputs):
        compiled.append(graph)
        return graph.forward

    monkeypatch.setattr(GFM, "compile", lambda self: nn.Module.compile(self, backend=backend))
    options = [*tiny_training, *EACH_STEP, "compile=true", "inference=native"]
    seen = train_watched(options, monkeypatch, lambda: len(compiled))
    assert seen["train"][0] > 0
    assert seen["train"] == seen["val"] == seen["train"][:1] * 2


def test_learning_rates_on_apple_gpus():
    """MPS has no float64."""
    logged = {}
    module = SimpleNamespace(device=torch.device("mps"), log=logged.__setitem__)
    optimizer = SimpleNamespace(param_groups=[{"lr": 0.1}])
    trainer = SimpleNamespace()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gfm.training.callbacks.learning_rate.should_update_logs", lambda _: True)
        LearningRate().on_before_optimizer_step(trainer, module, optimizer)
    assert logged["train/learning_rate"].dtype == torch.float32
