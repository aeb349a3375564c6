"""Writes the metrics of each photo of a test to a file."""

import csv
import io
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch.distributed as dist
from pytorch_lightning.callbacks import Callback

from gfm.system.files import write_text


class PhotoTable(Callback):
    """Writes the metrics of each photo of a test to a file, as an evaluation does.

    Args:
        path: CSV file to write, with ``name`` and a column for each metric, sorted by name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, dict[str, float]] = {}

    def on_test_batch_end(  # noqa: D102
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        values = {name: float(value) for name, value in outputs["metrics"].items()}
        self.rows[batch["name"][0]] = values

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        shares = [self.rows]
        if trainer.world_size > 1:
            shares = [{} for _ in range(trainer.world_size)]
            dist.all_gather_object(shares, self.rows)
        rows = {name: row for share in shares for name, row in share.items()}
        if not trainer.is_global_zero or not rows:
            return
        text = io.StringIO()
        writer = csv.DictWriter(text, ["name", *next(iter(rows.values()))], lineterminator="\n")
        writer.writeheader()
        writer.writerows({"name": name, **rows[name]} for name in sorted(rows))
        write_text(self.path, text.getvalue())
