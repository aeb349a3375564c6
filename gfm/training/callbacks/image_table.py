"""Logs a table of the validation photos to W&B."""

from typing import Any

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import WandbLogger

from gfm.compat.lightning import logged_step
from gfm.system.ranks import all_gather_dict
from gfm.training.loggers.image_logging import log_table, photo_pictures, to_array

_Rows = dict[str, tuple[dict[str, float], dict[str, np.ndarray]]]


class ImageTable(Callback):
    """Logs the tables ``val/per_image`` and ``test/per_image`` to W&B.

    A row has the name of a photo, pictures of input, alpha, truth and error, and the metrics.

    Args:
        num_pictures: Number of photos that are logged with pictures, beginning with the first.
        height: Height of a picture in pixels.
    """

    def __init__(self, num_pictures: int = 50, height: int = 160) -> None:
        self.num_pictures = num_pictures
        self.height = height
        self.rows: _Rows = {}

    def on_validation_batch_end(  # noqa: D102
        self, trainer: pl.Trainer, _: Any, outputs: Any, batch: Any, batch_idx: int, *__: Any
    ) -> None:
        if trainer.sanity_checking or not _has_table(trainer):
            return
        pictures = {}
        # Photos are distributed round-robin, so each rank has its share of the first ones.
        if batch_idx * trainer.world_size + trainer.global_rank < self.num_pictures:
            image, alpha, truth = batch["image"], outputs["prediction"].alpha, batch["alpha"]
            arrays = to_array(image[0]), to_array(alpha[0]), to_array(truth[0])
            pictures = photo_pictures(*arrays, self.height)
        metrics = {name: float(value) for name, value in outputs["metrics"].items()}
        self.rows[batch["name"][0]] = metrics, pictures

    on_test_batch_end = on_validation_batch_end  # type: ignore[assignment]

    def on_validation_epoch_end(self, trainer: pl.Trainer, *_: Any) -> None:  # noqa: D102
        self._log(trainer, "val/per_image")

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        self._log(trainer, "test/per_image")

    def _log(self, trainer: pl.Trainer, key: str) -> None:
        own, self.rows = self.rows, {}
        if not _has_table(trainer):
            return
        table = all_gather_dict(own)
        metrics = {name: row for name, (row, _) in table.items()}
        pictures = {name: shown for name, (_, shown) in table.items()}
        step = logged_step(trainer)
        for logger in trainer.loggers if trainer.is_global_zero else ():
            log_table(logger, key, metrics, pictures, step, trainer.current_epoch)


def _has_table(trainer: pl.Trainer) -> bool:
    return any(isinstance(logger, WandbLogger) for logger in trainer.loggers)
