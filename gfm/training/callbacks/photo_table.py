"""Writes the metrics of each photo of a test or a validation to a file."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from gfm.system.files import write_table
from gfm.system.ranks import all_gather_dict


class PhotoTable(Callback):
    """Writes the metrics of each photo of a test or a validation, in the format of evaluations.

    Args:
        path: CSV file to write, with ``name`` and a column for each metric, sorted by name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, dict[str, float]] = {}

    def on_test_batch_end(  # noqa: D102
        self, trainer: pl.Trainer, _: Any, outputs: Any, batch: Any, *__: Any
    ) -> None:
        values = {name: float(value) for name, value in outputs["metrics"].items()}
        self.rows[batch["name"][0]] = values

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        rows = all_gather_dict(self.rows)
        if trainer.is_global_zero and rows:
            write_table(self.path, {name: rows[name] for name in sorted(rows)})

    on_validation_batch_end = on_test_batch_end  # type: ignore[assignment]
    on_validation_end = on_test_end
