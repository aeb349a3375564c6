"""Writes the results of an evaluation: a table, the means, a report, and metrics for loggers."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pytorch_lightning.loggers import Logger, WandbLogger

from gfm.data.layout import Photo
from gfm.evaluation.journal import Rows
from gfm.evaluation.report import ReportImage, write_report
from gfm.system.files import write_text


def means(rows: Rows) -> dict[str, float]:
    """Return the mean of each metric over photos."""
    names = next(iter(rows.values()))
    return {name: float(np.mean([row[name] for row in rows.values()])) for name in names}


def write_results(
    folder: Path,
    rows: Rows,
    photos: Sequence[Photo],
    facts: dict[str, str],
    units: Mapping[str, str],
) -> dict[str, Any]:
    """Write ``per_image.csv``, ``report.html`` and, last, ``metrics.json``.

    Args:
        folder: Folder of the evaluation; its ``alpha/`` holds the mattes.
        rows: Metrics by photo.
        photos: Photos of the validation set.
        facts: What the report says about the run.
        units: Units of the metrics by name.

    Returns:
        The content of ``metrics.json``.
    """
    summary = {**means(rows), "num_images": len(rows)}
    table = io.StringIO()
    writer = csv.DictWriter(table, ["name", *next(iter(rows.values()))], lineterminator="\n")
    writer.writeheader()
    writer.writerows({"name": name, **row} for name, row in rows.items())
    write_text(folder / "per_image.csv", table.getvalue())
    images = [
        ReportImage(p.name, p.image, folder / "alpha" / f"{p.name}.png", p.alpha, rows[p.name])
        for p in photos
        if p.name in rows
    ]
    write_report(folder / "report.html", "Evaluation", facts, means(rows), images, units)
    write_text(folder / "metrics.json", json.dumps(summary, indent=2) + "\n")
    return summary


def log_results(
    loggers: Iterable[Logger], summary: Mapping[str, float], rows: Rows, facts: Mapping[str, str]
) -> None:
    """Send the means to each logger, as ``test/<metric>``; W&B also gets the table of photos."""
    for logger in loggers:
        logger.log_hyperparams(dict(facts))
        logger.log_metrics({f"test/{name}": float(value) for name, value in summary.items()})
        if isinstance(logger, WandbLogger):
            columns = ["name", *next(iter(rows.values()))]
            table = [[name, *row.values()] for name, row in rows.items()]
            logger.log_table("test/per_image", columns=columns, data=table)
            logger.experiment.finish()
        logger.finalize("success")
