"""Training runs in this process, as train.py runs them."""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any
from unittest import mock

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader

from gfm.models.gfm import GFM
from gfm.run import build
from gfm.run.train import train
from tests.benchmarks import bench_training
from tests.benchmarks.ready import ReadyBatches
from tests.conftest import SMALL_NETWORK, compose_config
from tests.gpu.clock import StepClock
from tests.gpu.stage import Stage


class BatchesOnDevice(ReadyBatches):
    """Repeats one random batch that is on the device already."""

    def train_dataloader(self) -> DataLoader[Any]:
        """Return as many batches as a run may ask for."""
        device = "cuda" if torch.cuda.is_available() else "cpu"
        batch = {k: v.to(device) if torch.is_tensor(v) else v for k, v in self.batch.items()}
        return DataLoader([batch] * 1000, batch_size=None)


def options(stage: Stage, network: str, batch: int, size: int = 320) -> list[str]:
    """Return overrides of a run on ready batches, which saves nothing.

    A rehearsal trains a network of a few thousand weights on a small batch instead.
    """
    if stage.is_rehearsal:
        small = bench_training.overrides("timm", 64, min(batch, 4))
        return [*small, *SMALL_NETWORK[1:], "trainer.accelerator=cpu"]
    shared = bench_training.overrides(network, size, batch)
    return [*shared, "trainer.accelerator=gpu", "trainer.log_every_n_steps=10"]


def watched(name: str, **arguments: Any) -> str:
    """Return an override that adds a callback of :mod:`tests.gpu`."""
    node = {"_target_": f"tests.gpu.{name}", **arguments}
    return "+callbacks.watch={" + ", ".join(f"{key}: {value}" for key, value in node.items()) + "}"


def run(overrides: Sequence[str], loader: Any = None) -> dict[str, Any]:
    """Train, and return the objects of the run.

    Args:
        overrides: As for train.py.
        loader: Makes the data module from the configuration; by default that of the run.
    """
    patched = mock.patch.object(build, "build_datamodule", loader or build.build_datamodule)
    with patched, tempfile.TemporaryDirectory() as folder, _restored():
        config = compose_config("train", [*overrides, f"paths.run={folder}"])
        return train(config)[1]


def measure(
    stage: Stage, overrides: Sequence[str], seconds: float, loader: Any = BatchesOnDevice,
    warmup: int = 5, steps: int = 40,
) -> StepClock:  # fmt: skip
    """Train until the steps are measured."""
    if stage.is_rehearsal:
        warmup, steps = 1, 2
    clock = watched("clock.StepClock", warmup=warmup, steps=steps, budget=seconds)
    trainer = run([*overrides, clock], loader)["trainer"]
    return find(trainer, StepClock)


def find(trainer: pl.Trainer, kind: type) -> Any:
    """Return the callback of a type."""
    (callback,) = [c for c in trainer.callbacks if isinstance(c, kind)]
    return callback


@contextlib.contextmanager
def _restored() -> Iterator[None]:
    """Undo what a run changes for the whole process."""
    benchmark = torch.backends.cudnn.benchmark
    try:
        yield
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
