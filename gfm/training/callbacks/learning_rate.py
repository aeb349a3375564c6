"""Logs the learning rates."""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from gfm.compat.lightning import should_update_logs
from gfm.metrics.inputs import wide_dtype


class LearningRate(Callback):
    """Logs the learning rates under names that do not depend on the optimiser.

    ``train/learning_rate`` is that of the first parameter group. The other groups append their
    name, or else their number, as in ``train/learning_rate_2``.
    """

    # Lightning's LearningRateMonitor names rates after the class of the optimiser, and sends them
    # to loggers only: neither other callbacks nor a sweep would see them.

    def on_before_optimizer_step(  # noqa: D102
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Any
    ) -> None:
        if not should_update_logs(trainer):  # logging copies the value to the GPU and blocks
            return
        for number, group in enumerate(optimizer.param_groups, start=1):
            suffix = "" if number == 1 else f"_{group.get('name', number)}"
            # Lightning would convert a plain number to float32.
            rate = torch.tensor(group["lr"], dtype=wide_dtype(pl_module.device))
            pl_module.log(f"train/learning_rate{suffix}", rate)
