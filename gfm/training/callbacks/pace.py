"""How fast training is, and what it waits for."""

import time
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback


class Pace(Callback):
    """Logs how fast training is, how much of it waits for data, and how long gradients are.

    ``train/samples_per_second`` of all processes and ``train/data_wait`` (share of the time, from
    0 to 1) since the step before; ``train/gradient_norm`` (L2, of all parameters, before clipping).
    """

    def __init__(self) -> None:
        self.end: float | None = None
        self.wait = 0.0

    def on_train_batch_start(  # noqa: D102
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self.wait = time.perf_counter() - self.end if self.end else 0.0

    def on_before_optimizer_step(  # noqa: D102
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Any
    ) -> None:
        gradients = [p.grad for p in pl_module.parameters() if p.grad is not None]
        pl_module.log("train/gradient_norm", torch.nn.utils.get_total_norm(gradients))

    def on_train_batch_end(  # noqa: D102
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        now = time.perf_counter()
        if self.end is not None:
            num_samples = len(batch["image"]) * trainer.world_size
            pl_module.log("train/samples_per_second", num_samples / (now - self.end))
            pl_module.log("train/data_wait", self.wait / (now - self.end))
        self.end = now

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        self.end = None  # validation is not training
