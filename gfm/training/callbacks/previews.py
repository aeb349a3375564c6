"""What the network makes of the first validation photos, drawn."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import TensorBoardLogger, WandbLogger
from torch import Tensor

from gfm.data.images import write_png
from gfm.inference import Prediction
from gfm.metrics.error_map import error_picture

PANEL = ("image", "glance", "focus", "alpha", "truth", "error")


def panel(image: Tensor, truth: Tensor, prediction: Prediction, height: int) -> np.ndarray:
    """Input, glance, focus, alpha, truth and error side by side.

    Args:
        image: 3×H×W, uint8.
        truth: 1×H×W alpha, uint8.
        prediction: of a batch of one.
        height: of the result in pixels.

    Returns:
        H×W×3 RGB, uint8, H being ``height``.
    """
    maps = [prediction.glance[0], prediction.focus[0], prediction.alpha[0]]
    tiles = [image, *((m.float().clamp(0, 1) * 255).round() for m in maps), truth]
    arrays = [t.cpu().numpy().astype(np.uint8).transpose(1, 2, 0) for t in tiles]
    alpha, true_alpha = (a[..., 0].astype(np.float32) / 255 for a in arrays[3:])
    size = round(height * image.shape[2] / image.shape[1]), height
    arrays = [cv2.resize(a, size, interpolation=cv2.INTER_AREA) for a in arrays]
    arrays = [a if a.ndim == 3 else cv2.cvtColor(a, cv2.COLOR_GRAY2RGB) for a in arrays]
    # Colours are averaged, not errors, of which those of either sign would cancel.
    error = cv2.resize(error_picture(alpha - true_alpha), size, interpolation=cv2.INTER_AREA)
    return np.hstack([*arrays, error])


class Previews(Callback):
    """Draws the first validation photos at every validation: to PNG, W&B and TensorBoard.

    Args:
        folder: for ``epoch_<n>.png``.
        num_images: how many photos.
        height: of each in pixels.
    """

    def __init__(self, folder: Path | str, num_images: int = 4, height: int = 200) -> None:
        self.folder = Path(folder)
        self.num_images = num_images
        self.height = height
        self.rows: list[np.ndarray] = []

    def on_validation_batch_end(  # noqa: D102
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if trainer.is_global_zero and batch_idx < self.num_images and not trainer.sanity_checking:
            row = panel(batch["image"][0], batch["alpha"][0], outputs["prediction"], self.height)
            self.rows.append(row)

    def on_validation_epoch_end(  # noqa: D102
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> None:
        if not self.rows:
            return
        width = max(row.shape[1] for row in self.rows)
        rows = [np.pad(r, ((0, 0), (0, width - r.shape[1]), (0, 0))) for r in self.rows]
        self.rows = []
        sheet = np.vstack(rows)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_png(self.folder / f"epoch_{trainer.current_epoch:04d}.png", sheet)
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.log_image("val/previews", [sheet], caption=[" | ".join(PANEL)])
            elif isinstance(logger, TensorBoardLogger):
                step = trainer.global_step
                logger.experiment.add_image("val/previews", sheet, step, dataformats="HWC")
