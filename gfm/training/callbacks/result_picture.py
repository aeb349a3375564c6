"""Draws test predictions at the end of a run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytorch_lightning as pl
from PIL import Image, ImageDraw, ImageFont
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor

from gfm.data.images import write_png
from gfm.inference.foreground import estimate_foreground
from gfm.system.console import console
from gfm.training.loggers.image_logging import pad_to_widest

COLUMNS = ("input", "alpha", "cut-out", "truth")
COLUMNS_WITH_BEFORE = ("input", "before", "alpha", "cut-out", "truth")

_CAPTION_HEIGHT = 28
_NEW_BACKGROUND = ((38, 70, 83), (233, 196, 106))  # RGB at the top and at the bottom


def _new_background(height: int, width: int) -> np.ndarray:
    top, bottom = (np.array(colour, np.float32) for colour in _NEW_BACKGROUND)
    share = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    return np.broadcast_to(top + (bottom - top) * share, (height, width, 3))


def tiles(
    image: Tensor, alpha: Tensor, truth: Tensor, height: int, before: Tensor | None = None
) -> np.ndarray:
    """Draw a photo, its alpha, its cut-out on a new background, and the true alpha side by side.

    Args:
        image: 3×H×W, uint8.
        alpha: Predicted alpha, 1×H×W in [0, 1].
        truth: True alpha, 1×H×W, uint8.
        height: Height of the drawing in pixels.
        before: Alpha before fine-tuning, like ``alpha``, to be drawn beside it.

    Returns:
        H×W×3 RGB, uint8.
    """
    photo = image.permute(1, 2, 0).cpu().numpy()
    opacity = alpha.float().clamp(0, 1)
    colours = estimate_foreground(image[None].float() / 255, opacity[None].to(image.device))[0]
    matte = opacity[0].cpu().numpy()[..., None]
    cutout = 255 * colours.permute(1, 2, 0).cpu().numpy()
    cutout = matte * cutout + (1 - matte) * _new_background(*matte.shape[:2])
    mattes = [alpha] if before is None else [before, alpha]
    grey = [255 * m.float().clamp(0, 1).permute(1, 2, 0).cpu().numpy() for m in mattes]
    drawn = [photo, *(np.repeat(m, 3, 2) for m in grey), cutout]
    drawn.append(np.repeat(truth.permute(1, 2, 0).cpu().numpy(), 3, 2))
    size = round(height * photo.shape[1] / photo.shape[0]), height
    small = [cv2.resize(x.astype(np.float32), size, interpolation=cv2.INTER_AREA) for x in drawn]
    return np.hstack([np.round(x).astype(np.uint8) for x in small])


def sheet(
    rows: list[np.ndarray], num_columns: int = 2, names: Sequence[str] = COLUMNS
) -> np.ndarray:
    """Arrange drawings of photos in columns, each below the names of its tiles.

    Args:
        rows: Drawings of the same height, H×W×3 RGB, uint8.
        num_columns: Number of drawings side by side.
        names: Names of the tiles of a drawing.
    """
    padded = pad_to_widest(rows)
    width = padded[0].shape[1]
    num_columns = min(num_columns, len(padded))
    padded += [np.zeros_like(padded[0])] * (-len(padded) % num_columns)
    gap = np.full((padded[0].shape[0], 8, 3), 255, np.uint8)
    lines = []
    for start in range(0, len(padded), num_columns):
        parts = [part for row in padded[start : start + num_columns] for part in (gap, row)]
        lines.append(np.hstack(parts[1:]))
    caption = Image.new("RGB", (lines[0].shape[1], _CAPTION_HEIGHT), "white")
    draw = ImageDraw.Draw(caption)
    font = ImageFont.load_default(16)
    for column in range(num_columns):
        left = column * (width + gap.shape[1])
        for index, name in enumerate(names):
            centre = left + (index + 0.5) * rows[0].shape[1] / len(names)
            draw.text((centre, _CAPTION_HEIGHT / 2), name, "black", font, anchor="mm")
    return np.vstack([np.asarray(caption), *lines])


class ResultPicture(Callback):
    """Draws the predictions for the first photos of the test, and prints the path.

    After a validation before training, its predictions are drawn beside them.

    Args:
        path: PNG file to write.
        num_images: Number of photos.
        height: Height of each in pixels.
    """

    def __init__(self, path: Path | str, num_images: int = 6, height: int = 220) -> None:
        self.path = Path(path)
        self.num_images = num_images
        self.height = height
        self.rows: list[np.ndarray] = []
        self.before: dict[str, Tensor] = {}

    def on_validation_batch_end(  # noqa: D102
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        is_first = trainer.state.fn == TrainerFn.VALIDATING  # not one of the training
        if is_first and trainer.is_global_zero and len(self.before) < self.num_images:
            self.before[batch["name"][0]] = outputs["prediction"].alpha[0].cpu()

    def on_test_batch_end(  # noqa: D102
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if trainer.is_global_zero and len(self.rows) < self.num_images:
            before = self.before.get(batch["name"][0])
            if self.before and before is None:
                return  # rows with and without it would not align
            alpha = outputs["prediction"].alpha[0]
            row = tiles(batch["image"][0], alpha, batch["alpha"][0], self.height, before)
            self.rows.append(row)

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        if self.rows:
            names = COLUMNS_WITH_BEFORE if self.before else COLUMNS
            write_png(self.path, sheet(self.rows, names=names))
            console().print(f"test predictions: {self.path}", highlight=False, markup=False)
        self.rows = []
