"""Draws test predictions at the end of a run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from PIL import Image, ImageDraw, ImageFont
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor

from gfm.data.images import write_png
from gfm.inference.foreground import estimate_foreground
from gfm.system.console import console
from gfm.training.loggers.image_logging import to_height

_NEW_BACKGROUND = ((38, 70, 83), (233, 196, 106))  # RGB at the top and at the bottom
_GAP = 8  # pixels between tiles
_LINE = 26  # height of a line of text in pixels


class Tile(NamedTuple):
    """A picture of a sheet, H×W×3 uint8, and its caption."""

    picture: np.ndarray
    caption: str = ""


def draw(picture: Tensor, height: int) -> np.ndarray:
    """Resize a picture or a matte, 3×H×W or 1×H×W in 0…255, to a height; return RGB uint8."""
    array = picture.permute(1, 2, 0).float().cpu().numpy()
    return to_height(array, height).round().astype(np.uint8)


def cut_out(image: Tensor, alpha: Tensor) -> Tensor:
    """Show the foreground of an image, 3×H×W uint8, on a new background.

    Args:
        image: The photo.
        alpha: Its matte, 1×H×W in [0, 1].

    Returns:
        3×H×W in 0…255.
    """
    foreground = estimate_foreground(image[None].float() / 255, alpha[None])[0]
    top, bottom = (torch.tensor(c, device=image.device)[:, None, None] for c in _NEW_BACKGROUND)
    share = torch.linspace(0, 1, image.shape[1], device=image.device)[:, None]
    return alpha * 255 * foreground + (1 - alpha) * (top + (bottom - top) * share)


def sheet(rows: Sequence[Sequence[Tile]], columns: Sequence[str]) -> np.ndarray:
    """Arrange tiles of the same height in rows, below the column headings.

    Returns:
        RGB, H×W×3, uint8.
    """
    height = rows[0][0].picture.shape[0]
    width = max(tile.picture.shape[1] for row in rows for tile in row)
    pitch = height + _LINE + _GAP
    size = (width + _GAP) * len(columns) - _GAP, _LINE + pitch * len(rows) - _GAP
    page = Image.new("RGB", size, "white")
    for index, name in enumerate(columns):
        _write(page, name, index * (width + _GAP), 0, width)
    for number, row in enumerate(rows):
        top = _LINE + number * pitch
        for index, tile in enumerate(row):
            left = index * (width + _GAP)
            middle = left + (width - tile.picture.shape[1]) // 2
            page.paste(Image.fromarray(tile.picture), (middle, top))
            _write(page, tile.caption, left, top + height, width)
    return np.asarray(page)


def _write(page: Image.Image, text: str, left: int, top: int, width: int) -> None:
    """Write a centred line of text, shortened to fit a width."""
    font = ImageFont.load_default(16)
    shown = text
    while shown and font.getlength(shown) > width:
        text = text[:-1]
        shown = f"{text}…" if text else ""
    centre = (left + width / 2, top + _LINE / 2)
    ImageDraw.Draw(page).text(centre, shown, "black", font, anchor="mm")


class ResultPicture(Callback):
    """Draws the predictions for the first photos of the test, and prints the path.

    If a validation ran before training, its mattes are shown for comparison. Checkpoints store
    them, so that a resumed run can show them, too.

    Args:
        path: PNG file to write.
        num_images: Number of photos.
        height: Height of each in pixels.
    """

    def __init__(self, path: Path | str, num_images: int = 6, height: int = 220) -> None:
        self.path = Path(path)
        self.num_images = num_images
        self.height = height
        self.rows: list[list[Tile]] = []
        self.before: dict[str, Tile] = {}

    def _matte(self, outputs: Any) -> Tile:
        alpha = outputs["prediction"].alpha[0].float().clamp(0, 1)
        return Tile(draw(255 * alpha, self.height), f"SAD {float(outputs['metrics']['sad']):.4g}")

    def on_validation_batch_end(  # noqa: D102
        self, trainer: pl.Trainer, _: Any, outputs: Any, batch: Any, *__: Any
    ) -> None:
        is_first = trainer.state.fn == TrainerFn.VALIDATING  # not during training
        if is_first and trainer.is_global_zero and len(self.before) < self.num_images:
            self.before[batch["name"][0]] = self._matte(outputs)

    def on_test_batch_end(  # noqa: D102
        self, trainer: pl.Trainer, _: Any, outputs: Any, batch: Any, *__: Any
    ) -> None:
        if not trainer.is_global_zero or len(self.rows) == self.num_images:
            return
        name = batch["name"][0]
        if self.before and name not in self.before:
            return  # its row would lack a tile
        image, alpha = batch["image"][0], outputs["prediction"].alpha[0].float().clamp(0, 1)
        self.rows.append(
            [
                Tile(draw(image, self.height), name),
                *([self.before[name]] if self.before else []),
                self._matte(outputs),
                Tile(draw(cut_out(image, alpha.to(image.device)), self.height)),
                Tile(draw(batch["alpha"][0], self.height)),
            ]
        )

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        if self.rows:
            mattes = ("before", "after") if self.before else ("alpha",)
            write_png(self.path, sheet(self.rows, ("photo", *mattes, "cut-out", "truth")))
            console().print(f"test predictions: {self.path}")
        self.rows = []

    def state_dict(self) -> dict[str, Any]:  # noqa: D102
        # As tensors, because checkpoints are loaded with `weights_only`, which refuses arrays.
        return {name: (torch.tensor(t.picture), t.caption) for name, t in self.before.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:  # noqa: D102
        self.before = {name: Tile(p.numpy(), caption) for name, (p, caption) in state_dict.items()}
