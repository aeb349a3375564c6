"""Pictures of mattes for dashboards: previews of a few photos, a table of all."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import wandb
from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger

from gfm.metrics.error_map import error_picture

PICTURES: Final = ("input", "alpha", "truth", "error")
"""The pictures of a photo in a table, in order."""

_CLASSES = {1: "transition", 2: "foreground"}  # 0, background, is not coloured


@dataclass(frozen=True)
class Preview:
    """What is made of a photo, as pictures side by side.

    Attributes:
        name: of the photo.
        sheet: H×W×3 RGB, uint8.
        classes: by what gives them: H×W uint8, 0 background, 1 transition, 2 foreground, as large
            as one of the pictures; laid over the first of them.
    """

    name: str
    sheet: np.ndarray
    classes: Mapping[str, np.ndarray]


def shrunk(picture: np.ndarray, height: int) -> np.ndarray:
    """A uint8 picture, H×W or H×W×3, as RGB of that height, averaged; one smaller stays so."""
    height = min(height, picture.shape[0])
    size = max(1, round(height * picture.shape[1] / picture.shape[0])), height
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return small if small.ndim == 3 else cv2.cvtColor(small, cv2.COLOR_GRAY2RGB)


def error_of(alpha: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The coloured error between two mattes, H×W uint8, on white."""
    return error_picture((alpha.astype(np.float32) - truth) / 255)


def photo_pictures(
    image: np.ndarray, alpha: np.ndarray, truth: np.ndarray, height: int
) -> dict[str, np.ndarray]:
    """The pictures of a photo by their names in ``PICTURES``, each H×W×3 RGB, uint8.

    Args:
        image: H×W×3 RGB, uint8.
        alpha: H×W, uint8.
        truth: likewise.
        height: of the pictures in pixels.
    """
    # Colours are averaged, not errors, of which those of either sign would cancel.
    arrays = (image, alpha, truth, error_of(alpha, truth))
    return {name: shrunk(a, height) for name, a in zip(PICTURES, arrays, strict=True)}


def classes_of(values: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Classes of a trimap or a glance whose 0, 128 and 255 are background, transition, foreground.

    Args:
        values: H×W, uint8.
        shape: height and width of the result.
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
    """Shows each photo under its name, in W&B with its classes as masks; elsewhere nothing.

    Args:
        logger: of any kind.
        key: the name it is logged by.
        previews: of the photos.
        names: of the pictures side by side.
        step: of the optimiser.
        epoch: where there is one, what captions say besides.
    """
    if isinstance(logger, WandbLogger):
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
    """A table of photos in W&B: name, pictures where there are some, metrics; elsewhere nothing.

    Args:
        logger: of any kind.
        key: the name it is logged by.
        rows: metrics of each photo.
        pictures: of photos, see :func:`photo_pictures`.
        step: of the optimiser.
        epoch: where there is one.
    """
    if not isinstance(logger, WandbLogger) or not rows:
        return
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
    """How each metric is distributed over photos, as ``<stage>/<metric>_histogram``.

    Args:
        logger: of any kind; W&B and TensorBoard have histograms.
        stage: such as ``test``.
        rows: metrics of each photo.
        step: of the optimiser.
    """
    columns: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            if np.isfinite(value):
                columns.setdefault(f"{stage}/{name}_histogram", []).append(value)
    if isinstance(logger, WandbLogger):
        histograms = {name: wandb.Histogram(values) for name, values in columns.items()}
        logger.log_metrics(histograms, step)  # type: ignore[arg-type]
    elif isinstance(logger, TensorBoardLogger):
        for name, values in columns.items():
            logger.experiment.add_histogram(name, np.array(values), step)
