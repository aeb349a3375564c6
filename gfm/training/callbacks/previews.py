"""Draws the predictions for the first validation photos."""

from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from gfm.compat.lightning import logged_step
from gfm.data.batch import Batch
from gfm.data.images import write_png
from gfm.inference import Prediction
from gfm.training.loggers.image_logging import (
    Preview,
    draw_error,
    log_previews,
    pad_to_widest,
    to_array,
    to_classes,
    to_height,
)

PANEL = ("image", "glance", "focus", "alpha", "truth", "error")


def panel(image: Tensor, truth: Tensor, prediction: Prediction, height: int) -> np.ndarray:
    """Draw input, glance, focus, alpha, truth and error side by side.

    The image is 3×H×W, the true alpha 1×H×W, both uint8; the prediction is that of a batch of one.

    Returns:
        RGB, height×W×3, uint8.
    """
    maps = [prediction.glance[0], prediction.focus[0], prediction.alpha[0]]
    arrays = [to_array(tile) for tile in (image, *maps, truth)]
    # Colours are averaged, because errors of opposite sign would cancel.
    arrays.append(draw_error(arrays[3], arrays[4]))
    return np.hstack([to_height(array, height) for array in arrays])


def preview(batch: Batch, prediction: Prediction, height: int) -> Preview:
    """Draw a validation photo, ``height`` pixels high, and add the classes of trimap and glance."""
    sheet = panel(batch["image"][0], batch["alpha"][0], prediction, height)
    maps = {"truth": batch["trimap"][0], "prediction": prediction.glance[0]}
    size = height, sheet.shape[1] // len(PANEL)
    classes = {k: to_classes(to_array(m), size) for k, m in maps.items()}
    return Preview(batch["name"][0], sheet, classes)


class Previews(Callback):
    """Draws the first validation photos as PNG, and for W&B and TensorBoard.

    The PNG shows all photos together; dashboards get one picture per photo, with its name.

    Args:
        folder: Folder for ``epoch_<n>.png``.
        num_images: Number of photos.
        height: Height of each in pixels.
        every_n_epochs: Minimum number of epochs between two previews.
    """

    def __init__(
        self, folder: Path | str, num_images: int = 4, height: int = 200, every_n_epochs: int = 1
    ) -> None:
        self.folder = Path(folder)
        self.num_images = num_images
        self.height = height
        self.every_n_epochs = every_n_epochs
        self.last_epoch = -1  # the last epoch that was drawn
        self.rows: list[Preview] = []

    def on_validation_batch_end(  # noqa: D102
        self, trainer: pl.Trainer, _: Any, outputs: Any, batch: Any, batch_idx: int, *__: Any
    ) -> None:
        since = trainer.current_epoch - self.last_epoch
        is_due = since == 0 or since >= self.every_n_epochs
        if not trainer.is_global_zero or trainer.sanity_checking or not is_due:
            return
        if batch_idx < self.num_images:
            self.rows.append(preview(batch, outputs["prediction"], self.height))

    def on_validation_epoch_end(self, trainer: pl.Trainer, *_: Any) -> None:  # noqa: D102
        if not self.rows:
            return
        self.last_epoch = trainer.current_epoch
        rows, self.rows = self.rows, []
        sheets = pad_to_widest([row.sheet for row in rows])
        self.folder.mkdir(parents=True, exist_ok=True)
        write_png(self.folder / f"epoch_{trainer.current_epoch:04d}.png", np.vstack(sheets))
        step = logged_step(trainer)
        for logger in trainer.loggers:
            log_previews(logger, "val/previews", rows, PANEL, step, trainer.current_epoch)

    def state_dict(self) -> dict[str, Any]:  # noqa: D102
        return {"last_epoch": self.last_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:  # noqa: D102
        self.last_epoch = state_dict["last_epoch"]
