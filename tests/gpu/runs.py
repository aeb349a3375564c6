"""Training runs in this process, set up as by train.py."""

import contextlib
from collections.abc import Sequence
from typing import Any
from unittest import mock

import torch
from torch import nn
from torch.utils.data import DataLoader

from gfm.models.gfm import GFM
from tests.benchmarks import bench_training, ready
from tests.conftest import SMALL_NETWORK
from tests.gpu.clock import StepClock
from tests.gpu.stage import Stage


class BatchesOnDevice(ready.ReadyBatches):
    """Repeats one random batch that is already on the device."""

    def train_dataloader(self) -> DataLoader[Any]:
        """Return a loader with as many batches as a run may need."""
        device = "cuda" if torch.cuda.is_available() else "cpu"
        batch = {k: v.to(device) if torch.is_tensor(v) else v for k, v in self.batch.items()}
        return DataLoader([batch] * 1000, batch_size=None)


def options(stage: Stage, network: str, batch: int, size: int = 320) -> list[str]:
    """Return overrides of a run that trains on ready batches and saves nothing.

    A rehearsal instead trains a network of a few thousand weights on a small batch.
    """
    if stage.is_rehearsal:
        small = bench_training.overrides("timm", 64, min(batch, 4))
        return [*small, *SMALL_NETWORK[1:], "trainer.accelerator=cpu"]
    shared = bench_training.overrides(network, size, batch)
    return [*shared, "trainer.accelerator=gpu", "trainer.log_every_n_steps=10"]


def measure(
    stage: Stage, overrides: Sequence[str], seconds: float, loader: Any = BatchesOnDevice,
    warmup: int = 5, steps: int = 40,
) -> StepClock:  # fmt: skip
    """Train until enough steps are measured, and return the measurements."""
    if stage.is_rehearsal:
        warmup, steps = 1, 2
    clock = ready.watched(StepClock, warmup=warmup, steps=steps, budget=seconds)
    return ready.find(run([*overrides, clock], loader), StepClock)


def run(overrides: Sequence[str], loader: Any = None) -> dict[str, Any]:
    """Train as :func:`ready.run` does, and then restore the global settings of the process."""
    benchmark = torch.backends.cudnn.benchmark
    try:
        return ready.run(overrides, loader)
    finally:
        torch.backends.cudnn.benchmark = benchmark
        torch.use_deterministic_algorithms(False)
        torch.compiler.reset()
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def compiling(stage: Stage) -> contextlib.AbstractContextManager[Any]:
    """In a rehearsal, let torch.compile capture graphs but generate no code."""
    if not stage.is_rehearsal:
        return contextlib.nullcontext()

    def compile_quickly(model: GFM) -> None:
        nn.Module.compile(model, backend="aot_eager")

    return mock.patch.object(GFM, "compile", compile_quickly)
