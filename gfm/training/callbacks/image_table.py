"""The metrics of each validation photo, in the dashboard."""

from typing import Any

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import WandbLogger
from torch import Tensor


class ImageTable(Callback):
    """Sends the metrics of each validation photo to W&B, as the table ``val/per_image``."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Tensor]] = {}
        self.names: list[str] = []

    def on_validation_batch_end(  # noqa: D102
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self.names = list(outputs["metrics"])
        self.rows[batch["name"][0]] = list(outputs["metrics"].values())

    def on_validation_epoch_end(  # noqa: D102
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> None:
        own = {name: torch.stack(row).tolist() for name, row in self.rows.items()}
        self.rows = {}
        shares = [own]
        if trainer.world_size > 1:
            shares = [{} for _ in range(trainer.world_size)]
            dist.all_gather_object(shares, own)
        table = [[name, *row] for share in shares for name, row in share.items()]
        for logger in trainer.loggers if trainer.is_global_zero else ():
            if isinstance(logger, WandbLogger):
                logger.log_table("val/per_image", columns=["name", *self.names], data=sorted(table))
