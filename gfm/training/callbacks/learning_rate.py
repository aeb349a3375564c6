"""How fast parameters learn."""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from gfm.compat.lightning import logs_now


class LearningRate(Callback):
    """Logs the learning rate of each step by a name that does not change with the optimiser.

    ``train/learning_rate`` is that of the first group of parameters. Further groups, which
    ``layer_decay`` makes, add their name, or else their number from 2 on:
    ``train/learning_rate_2``.
    """

    def on_before_optimizer_step(  # noqa: D102
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Any
    ) -> None:
        if not logs_now(trainer):  # what is logged goes to the GPU, and waits for it
            return
        for number, group in enumerate(optimizer.param_groups, start=1):
            suffix = "" if number == 1 else f"_{group.get('name', number)}"
            rate = torch.tensor(group["lr"], dtype=torch.float64)  # a plain number would be float32
            pl_module.log(f"train/learning_rate{suffix}", rate)
