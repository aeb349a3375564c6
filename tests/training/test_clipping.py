"""Gradients are clipped, and their norm is logged, with every precision and optimiser."""

from contextlib import nullcontext
from typing import ClassVar

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.precision import MixedPrecision

from gfm.run.train import train
from gfm.training.optimization import clip_gradients
from tests.conftest import compose_config


class Scaled(MixedPrecision):
    """Scales losses as float16 requires, but computes in float32, which every CPU supports."""

    def __init__(self) -> None:
        super().__init__("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=2.0**16))

    def autocast_context_manager(self):
        return nullcontext()


class Lengths(pl.Callback):
    """Norm and largest component of the gradient in each step of the optimiser."""

    found: ClassVar[list[tuple[float, float]]] = []

    def on_train_start(self, trainer, module):
        Lengths.found = []

    def on_train_batch_end(self, trainer, module, *_):
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients).item()
        Lengths.found.append((norm, max(g.abs().max().item() for g in gradients)))


CHECKPOINTS = "{_target_: gfm.checkpoints.checkpoint_io.AtomicCheckpointIO}"
PRECISIONS = {
    "32-true": ["trainer.precision=32-true"],
    "bf16-mixed": ["trainer.precision=bf16-mixed"],
    "16-mixed": [
        "trainer.precision=null",
        f"trainer.plugins=[{CHECKPOINTS}, {{_target_: {__name__}.Scaled}}]",
    ],
}


def steps(tiny_training, *options: str) -> tuple[list[tuple[float, float]], float]:
    """Return the gradients that the optimiser got, and the norm that was logged last."""
    more = ["logger=none", "trainer.limit_val_batches=0", "test=false", "callbacks.end=null"]
    more += [f"+callbacks.lengths={{_target_: {__name__}.Lengths}}"]
    metrics, _ = train(compose_config("train", [*tiny_training, *more, *options]))
    return Lengths.found, metrics["train/gradient_norm"]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_clipping(tiny_training, precision, optimizer):
    options = [*PRECISIONS[precision], f"optimizer={optimizer}", "optimizer.lr=0"]
    # The weights stay fixed, so that all runs have the same second gradient.
    exact, norm = steps(tiny_training, f"optimizer={optimizer}", "optimizer.lr=0")
    assert norm == pytest.approx(exact[-1][0])
    assert norm > 0.02  # so that all are clipped
    found, logged = steps(tiny_training, *options, "trainer.gradient_clip_val=0.01")
    assert len(found) == 2
    assert all(length == pytest.approx(0.01, rel=1e-3) for length, _ in found)
    if precision == "bf16-mixed":  # a network of random weights amplifies rounding errors
        _, norm = steps(tiny_training, *options)
    # Before clipping, and not of the scaled loss.
    assert logged == pytest.approx(norm, rel=1e-3)


def test_clipping_by_value(tiny_training):
    options = ["trainer.gradient_clip_val=1e-4", "trainer.gradient_clip_algorithm=value"]
    found, logged = steps(tiny_training, *PRECISIONS["16-mixed"], *options)
    assert all(largest == pytest.approx(1e-4) for _, largest in found)
    assert logged > found[-1][0]


def test_without_a_limit_gradients_stay_the_same():
    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([3.0, 4.0])
    for limit in (None, 0):
        assert clip_gradients([parameter], limit) == 5
        assert parameter.grad.tolist() == [3, 4]
