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
COLUMNS_WITH_BEFORE = ("input", "before", "after", "cut-out", "truth")

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

    The image is 3×H×W and the true alpha 1×H×W, both uint8; the predicted alpha is 1×H×W in [0, 1],
    as is that ``before`` fine-tuning, which is drawn beside it.

    Returns:
        RGB, height×W×3, uint8.
    """
    opacity = alpha.float().clamp(0, 1).to(image.device)
    colours = estimate_foreground(image[None].float() / 255, opacity[None])[0]
    matte = _array(opacity)
    cutout = matte * _array(255 * colours) + (1 - matte) * _new_background(*matte.shape[:2])
    mattes = [opacity] if before is None else [before.float().clamp(0, 1), opacity]
    drawn = [_array(image), *(_array(255 * m) for m in mattes), cutout, _array(truth)]
    size = round(height * image.shape[2] / image.shape[1]), height
    small = [cv2.resize(x, size, interpolation=cv2.INTER_AREA).round() for x in drawn]
    return np.hstack([np.dstack([x] * 3) if x.ndim == 2 else x for x in small]).astype(np.uint8)


def _array(picture: Tensor) -> np.ndarray:
    """Convert C×H×W to float32, H×W×C."""
    return picture.permute(1, 2, 0).float().cpu().numpy()


def sheet(rows: list[np.ndarray], names: Sequence[str] = COLUMNS) -> np.ndarray:
    """Arrange drawings of the same height, H×W×3, in two columns below the names of their tiles."""
    padded = pad_to_widest(rows)
    width = padded[0].shape[1]
    num_columns = min(2, len(padded))
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
        self, trainer: pl.Trainer, _: Any, outputs: Any, batch: Any, *__: Any
    ) -> None:
        is_first = trainer.state.fn == TrainerFn.VALIDATING  # not one of the training
        if is_first and trainer.is_global_zero and len(self.before) < self.num_images:
            self.before[batch["name"][0]] = outputs["prediction"].alpha[0].cpu()

    def on_test_batch_end(  # noqa: D102
        self, trainer: pl.Trainer, _: Any, outputs: Any, batch: Any, *__: Any
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
