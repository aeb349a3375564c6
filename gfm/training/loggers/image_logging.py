"""Logs mattes to dashboards: previews of a few photos, and a table of all.

Functions import wandb where they need it: runs with other loggers start half a second sooner.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger
from torch import Tensor

from gfm.metrics.error_map import error_picture

PICTURES: Final = ("input", "alpha", "truth", "error")
"""Names of the pictures of a photo in a table, in order."""

_CLASSES = {1: "transition", 2: "foreground"}  # 0, background, is not coloured


@dataclass(frozen=True)
class Preview:
    """The pictures of a photo, side by side.

    Attributes:
        name: Name of the photo.
        sheet: The pictures, H×W×3 RGB, uint8.
        classes: Maps by source, such as ``truth``, to draw over the first picture: of the same
            size, uint8, with 0 for background, 1 for transition and 2 for foreground.
    """

    name: str
    sheet: np.ndarray
    classes: Mapping[str, np.ndarray]


def to_array(tensor: Tensor) -> np.ndarray:
    """Convert a picture, C×H×W uint8 or float in [0, 1], to uint8, H×W×3 or H×W."""
    if tensor.is_floating_point():
        tensor = (tensor.float().clamp(0, 1) * 255).round()
    array = tensor.cpu().numpy().astype(np.uint8).transpose(1, 2, 0)
    return array if array.shape[2] == 3 else array[..., 0]


def to_height(picture: np.ndarray, height: int) -> np.ndarray:
    """Resize a picture, H×W or H×W×3 uint8 or float32, to a height by averaging; return RGB."""
    size = max(1, round(height * picture.shape[1] / picture.shape[0])), height
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return small if small.ndim == 3 else cv2.cvtColor(small, cv2.COLOR_GRAY2RGB)


def pad_to_widest(rows: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Pad pictures, H×W×3, with black on the right, to the width of the widest."""
    width = max(row.shape[1] for row in rows)
    return [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows]


def draw_error(alpha: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Draw the error between two mattes, H×W uint8, in colours on white."""
    return error_picture((alpha.astype(np.float32) - truth) / 255)


def photo_pictures(
    image: np.ndarray, alpha: np.ndarray, truth: np.ndarray, height: int
) -> dict[str, np.ndarray]:
    """Return the pictures of a photo by their names in ``PICTURES``, each H×W×3 RGB, uint8.

    The image is H×W×3 RGB, the mattes are H×W, all uint8. They are reduced to ``height``; smaller
    ones keep their size.
    """
    height = min(height, image.shape[0])
    # Colours are averaged, because errors of opposite sign would cancel.
    arrays = (image, alpha, truth, draw_error(alpha, truth))
    return {name: to_height(a, height) for name, a in zip(PICTURES, arrays, strict=True)}


def to_classes(values: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Convert a trimap or a glance to classes: 0 background, 1 transition, 2 foreground.

    The values are 0, 128 and 255, H×W; ``shape`` is (height, width) of the result. Both are uint8.
    """
    small = cv2.resize(values, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST)
    return np.round(small / 127.5).astype(np.uint8)


def log_previews(
    logger: Logger,
    key: str,
    previews: Sequence[Preview],
    names: Sequence[str],
    step: int,
    epoch: int | None = None,
) -> None:
    """Log photos to W&B, with their classes as masks, or TensorBoard; other loggers ignore them.

    ``names`` are those of the pictures in a sheet, from left to right. W&B's captions contain them
    and the epoch, if it is given.
    """
    if isinstance(logger, WandbLogger):
        import wandb

        when = {} if epoch is None else {"epoch": epoch}
        images = []
        for preview in previews:
            masks = {kind: _mask(preview, classes) for kind, classes in preview.classes.items()}
            title = ", ".join([preview.name, *(f"{k} {v}" for k, v in when.items())])
            caption = f"{title}: {' | '.join(names)}"
            images.append(wandb.Image(preview.sheet, caption=caption, masks=masks or None))
        logger.log_metrics({key: images, **when}, step)  # type: ignore[dict-item]
    elif isinstance(logger, TensorBoardLogger):
        for preview in previews:
            name = f"{key}/{preview.name}"
            logger.experiment.add_image(name, preview.sheet, step, dataformats="HWC")


def _mask(preview: Preview, classes: np.ndarray) -> dict[str, Any]:
    data = np.zeros(preview.sheet.shape[:2], np.uint8)
    data[: classes.shape[0], : classes.shape[1]] = classes
    return {"mask_data": data, "class_labels": _CLASSES}


def log_table(
    logger: Logger,
    key: str,
    rows: Mapping[str, Mapping[str, float]],
    pictures: Mapping[str, Mapping[str, np.ndarray]],
    step: int,
    epoch: int | None = None,
) -> None:
    """Log a table of photos to W&B: names, pictures and metrics; other loggers ignore it.

    The pictures are those of :func:`photo_pictures`; photos may lack them.
    """
    if not isinstance(logger, WandbLogger) or not rows:
        return
    import wandb

    metrics = list(next(iter(rows.values())))
    data = []
    for name in sorted(rows):
        shown = pictures.get(name, {})
        images = [wandb.Image(shown[p], file_type="jpg") if shown else None for p in PICTURES]
        data.append([name, *images, *rows[name].values()])
    table = wandb.Table(columns=["name", *PICTURES, *metrics], data=data)
    when = {} if epoch is None else {"epoch": epoch}
    logger.log_metrics({key: table, **when}, step)  # type: ignore[dict-item]


def log_histograms(
    logger: Logger, stage: str, rows: Iterable[Mapping[str, float]], step: int
) -> None:
    """Log the distribution of each metric over photos as ``<stage>/<metric>_histogram``.

    Only W&B and TensorBoard log histograms.
    """
    columns: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            if np.isfinite(value):
                columns.setdefault(f"{stage}/{name}_histogram", []).append(value)
    if isinstance(logger, WandbLogger):
        import wandb

        histograms = {name: wandb.Histogram(values) for name, values in columns.items()}
        logger.log_metrics(histograms, step)  # type: ignore[arg-type]
    elif isinstance(logger, TensorBoardLogger):
        for name, values in columns.items():
            logger.experiment.add_histogram(name, np.array(values), step)
