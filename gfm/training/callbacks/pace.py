"""Measures how fast training is, and how long it waits for data."""

import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from gfm.compat.lightning import should_update_logs


class Pace(Callback):
    """Logs how fast training is, and how long it waits for data.

    ``train/samples_per_second`` counts the samples of all processes, and ``train/data_wait`` is the
    fraction of the time spent waiting for data, from 0 to 1. Both are measured between steps that
    log, because the program waits for the GPU only at these.
    """

    def __init__(self) -> None:
        self._start(None)

    def _start(self, now: float | None) -> None:
        self.since = self.end = now
        self.wait = 0.0
        self.num_samples = 0
        self.has_saved = False  # a checkpoint, since the last step

    def on_train_batch_start(self, *_: Any) -> None:  # noqa: D102
        if self.since is None or self.end is None:
            return
        gap = time.perf_counter() - self.end
        if self.has_saved:
            self.since += gap
        else:
            self.wait += gap
        self.has_saved = False

    def on_train_batch_end(  # noqa: D102
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, _: Any, batch: Any, *__: Any
    ) -> None:
        now = time.perf_counter()
        if self.since is None:
            self._start(now)
            return
        self.end = now
        self.num_samples += len(batch["image"]) * trainer.world_size
        if should_update_logs(trainer):
            elapsed = now - self.since
            pl_module.log("train/samples_per_second", self.num_samples / elapsed)
            pl_module.log("train/data_wait", self.wait / elapsed)
            self._start(now)

    def on_validation_end(self, *_: Any) -> None:  # noqa: D102
        self._start(None)  # so that validations do not count

    on_train_epoch_end = on_validation_end  # type: ignore[assignment]

    def on_save_checkpoint(self, *_: Any) -> None:  # noqa: D102
        self.has_saved = True
