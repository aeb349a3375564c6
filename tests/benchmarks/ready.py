"""Training runs in this process, on ready batches, with a callback that measures time."""

import tempfile
from collections.abc import Sequence
from typing import Any
from unittest import mock

import pytorch_lightning as pl
import torch
from torch.profiler import profile
from torch.utils.data import DataLoader

from gfm.config import TrainConfig
from gfm.rosta import ROSTAS
from gfm.run import build
from gfm.run.train import train
from tests.benchmarks.measure import DEVICE, clock, format_profile, peak_mebibytes, reset_peak
from tests.conftest import compose_config


def run(overrides: Sequence[str], loader: Any = None) -> dict[str, Any]:
    """Train as train.py does, in a temporary folder, and return the objects of the run.

    Args:
        overrides: As for train.py.
        loader: Makes the data module from the configuration; by default that of the run.
    """
    patched = mock.patch.object(build, "build_datamodule", loader or build.build_datamodule)
    with patched, tempfile.TemporaryDirectory() as folder:
        return train(compose_config("train", [*overrides, f"paths.run={folder}"]))[1]


def watched(kind: type[pl.Callback], **arguments: Any) -> str:
    """Return an override that adds a callback."""
    node = {"_target_": f"{kind.__module__}.{kind.__name__}", **arguments}
    return "+callbacks.watch={" + ", ".join(f"{key}: {value}" for key, value in node.items()) + "}"


def find(objects: dict[str, Any], kind: type[pl.Callback]) -> Any:
    """Return the callback of a run that has this type."""
    (callback,) = [c for c in objects["trainer"].callbacks if isinstance(c, kind)]
    return callback


class _Samples(list[int]):
    """A stand-in for the training set, without files."""

    photos: tuple[()] = ()
    scenes: tuple[()] = ()


class ReadyBatches(pl.LightningDataModule):
    """Repeats one random batch shaped like those of the real loader; validates nothing.

    Args:
        config: Configuration of the run.
    """

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        batch_size, input_size = config.data.batch_size, config.data.input_size
        self.batch_size = batch_size
        self.training = _Samples(range(1000 * batch_size))
        self.held_out: list[Any] = []
        self.photos: list[Any] = []
        generator = torch.Generator().manual_seed(0)

        def draw(channels: int, high: int) -> torch.Tensor:
            shape = batch_size, channels, input_size, input_size
            return torch.randint(0, high, shape, generator=generator, dtype=torch.uint8)

        self.batch: dict[str, Any] = {"image": draw(3, 256), "alpha": draw(1, 256)}
        self.batch |= {"foreground": draw(3, 256), "background": draw(3, 256)}
        grey = torch.tensor([0, 128, 255], dtype=torch.uint8)
        for branch in ROSTAS[config.rosta]:
            self.batch[f"trimap_{branch.kernel_size}"] = grey[draw(1, 3).long()]
        self.batch["name"] = [f"ready{i}" for i in range(batch_size)]

    def train_dataloader(self) -> DataLoader[Any]:
        """Return a loader with as many batches as a run may need."""
        return DataLoader(
            [self.batch] * 1000, batch_size=None, pin_memory=torch.cuda.is_available()
        )


class Stopwatch(pl.Callback):
    """Measures the time of batches and the memory of a run, without the first update.

    Results: ``seconds`` per batch, averaged over each update, which takes several batches if
    gradients are accumulated, and on a GPU over all updates; ``waits``, logged by
    :class:`gfm.training.callbacks.Pace`; on a CPU, the ``operators`` of one more update.

    Args:
        updates: Number of updates to time.
        seconds: Seconds after which no further update is timed.
    """

    def __init__(self, updates: int, seconds: float) -> None:
        self.updates = updates
        self.budget = seconds
        self.seconds: list[float] = []
        self.waits: list[torch.Tensor] = []  # on the GPU; reading one in a step would synchronise
        self.since: float | None = None
        self.begin = 0.0
        self.count = self.pending = 0  # updates, and those since the clock was read
        self.profiler: profile | None = None
        self.operators = ""

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, i: int
    ) -> None:
        batches = trainer.accumulate_grad_batches
        if self.since is not None and "train/data_wait" in trainer.callback_metrics:
            self.waits.append(trainer.callback_metrics["train/data_wait"])
        if (i + 1) % batches:
            return
        if self.profiler:
            self.profiler.stop()
            self.operators = format_profile(self.profiler)
            trainer.should_stop = True
            return
        if self.since is None:
            reset_peak()
            self.since = self.begin = clock()
            return
        self.count += 1
        self.pending += 1
        is_over = self.count == self.updates or clock(waits=False) - self.begin > self.budget
        # A GPU runs asynchronously, and waiting for it in each step would slow all steps.
        if DEVICE == "cpu" or is_over:
            self.seconds.append((clock() - self.since) / (batches * self.pending))
            self.since, self.pending = clock(), 0
        if is_over:
            self.peak = peak_mebibytes()
            if DEVICE == "cpu":
                self.profiler = profile()
                self.profiler.start()
            else:
                trainer.should_stop = True
