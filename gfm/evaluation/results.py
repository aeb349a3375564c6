"""Writes the results of an evaluation as files, and logs them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger

from gfm.data.compositing import read_photo
from gfm.data.images import read_alpha, read_matte, to_uint8
from gfm.data.layout import Photo
from gfm.evaluation.journal import Rows
from gfm.evaluation.report import ReportImage, write_report
from gfm.evaluation.test_sets import write_metrics
from gfm.system.files import write_table
from gfm.system.run_folder import write_flat_mattes
from gfm.training.loggers.image_logging import (
    PICTURES,
    Preview,
    log_histograms,
    log_previews,
    log_table,
    photo_pictures,
)

_NUM_PREVIEWS, _NUM_PICTURES = 4, 50  # photos on dashboards: as previews, and in the table
_HEIGHT = 200  # of each picture, in pixels


def compute_means(rows: Rows) -> dict[str, float]:
    """Return the mean of each metric over the photos where it has a value, or NaN without any."""
    means = {}
    for name in next(iter(rows.values())):
        values = [row[name] for row in rows.values() if not math.isnan(row[name])]
        means[name] = float(np.mean(values)) if values else math.nan
    return means


def write_results(
    folder: Path,
    rows: Rows,
    photos: Sequence[Photo],
    facts: dict[str, str],
    units: Mapping[str, str],
) -> dict[str, Any]:
    """Write ``per_image.csv``, ``report.html``, a list of flat mattes and, last, ``metrics.json``.

    The folder is that of the evaluation, with the mattes in ``alpha/``.

    Returns:
        The content of ``metrics.json``.
    """
    means = compute_means(rows)
    summary = {**means, "num_images": len(rows)}
    write_table(folder / "per_image.csv", rows)
    images = [
        ReportImage(
            p.name, p.image, folder / "alpha" / f"{p.name}.png", p.alpha, rows[p.name], p.scene
        )
        for p in photos
        if p.name in rows
    ]
    flat = write_report(folder / "report.html", "Evaluation", facts, means, images, units)
    write_flat_mattes(folder, flat)
    write_metrics(folder, summary)
    return summary


def log_results(
    loggers: Iterable[Logger],
    summary: Mapping[str, float],
    rows: Rows,
    facts: Mapping[str, Any],
    photos: Iterable[Photo],
    mattes: Path,
) -> None:
    """Log the means as ``test/<metric>``, and show the photos on dashboards.

    Dashboards get a table of all photos with pictures of the first 50, previews of the first 4, and
    a histogram of each metric. The facts are logged as hyperparameters.
    """
    loggers = list(loggers)
    scored = [photo for photo in photos if photo.name in rows]
    shown = scored if any(isinstance(x, WandbLogger | TensorBoardLogger) for x in loggers) else []
    pictures = {p.name: _pictures(p, mattes) for p in shown[:_NUM_PICTURES]}
    previews = [_preview(p, pictures[p.name]) for p in shown[:_NUM_PREVIEWS]]
    for logger in loggers:
        _log_means(logger, summary, facts)
        log_table(logger, "test/per_image", rows, pictures, step=0)
        log_previews(logger, "test/previews", previews, PICTURES, step=0)
        log_histograms(logger, "test", rows.values(), step=0)
        _finish(logger)


def log_test_sets(
    loggers: Iterable[Logger], summary: Mapping[str, float], facts: Mapping[str, Any]
) -> None:
    """Log the macro means as ``test/<metric>``, and those of each set as ``test/<set>/<metric>``.

    The facts are logged as hyperparameters.
    """
    for logger in loggers:
        _log_means(logger, summary, facts)
        _finish(logger)


def _log_means(logger: Logger, summary: Mapping[str, float], facts: Mapping[str, Any]) -> None:
    logger.log_hyperparams(dict(facts))
    logger.log_metrics({f"test/{name}": float(value) for name, value in summary.items()}, 0)


def _finish(logger: Logger) -> None:
    if isinstance(logger, WandbLogger):
        from gfm.compat.wandb import finish  # imports wandb, which is slow

        finish(0)
    logger.finalize("success")


def _pictures(photo: Photo, mattes: Path) -> dict[str, np.ndarray]:
    alpha = to_uint8(read_matte(mattes / f"{photo.name}.png"))
    truth = read_alpha(photo.alpha, photo.is_cutout)
    image = read_photo(photo.image, truth, photo.scene)
    return photo_pictures(image, alpha, truth, _HEIGHT)


def _preview(photo: Photo, pictures: Mapping[str, np.ndarray]) -> Preview:
    alpha, truth = (pictures[name][..., 0] for name in ("alpha", "truth"))
    maps = {"truth": truth, "prediction": alpha}
    # Without a trimap, all pixels that are neither transparent nor opaque count as transition.
    classes = {k: np.uint8(m > 0) + np.uint8(m == 255) for k, m in maps.items()}
    return Preview(photo.name, np.hstack(list(pictures.values())), classes)
