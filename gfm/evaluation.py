"""Scores a network on whole photos, as a Lightning test loop, and writes what came out."""

import csv
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import torch.distributed as dist

from gfm.data.images import write_png
from gfm.data.layout import Photo
from gfm.errors import GFMError
from gfm.inference import Strategy
from gfm.metrics import METRIC_NAMES, matting_metrics
from gfm.models.gfm import GFM
from gfm.module import Batch, as_floats
from gfm.report import ReportImage, write_report

Rows = dict[str, dict[str, float]]
"""Metrics of each photo, by its name."""


class Evaluation(pl.LightningModule):
    """Mattes every photo, writes the matte, and collects its metrics in ``rows``.

    Args:
        model: the network.
        strategy: how it looks at a photo.
        protocol: ``gfm`` or ``dim``.
        folder: for the mattes, ``<name>.png``.
    """

    def __init__(self, model: GFM, strategy: Strategy, protocol: str, folder: Path) -> None:
        super().__init__()
        if protocol not in METRIC_NAMES:
            raise GFMError(f"unknown protocol {protocol!r}: choose {' or '.join(METRIC_NAMES)}")
        self.model = model
        self.strategy = strategy
        self.protocol = protocol
        self.folder = folder
        self.rows: Rows = {}

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """One photo."""
        trimap = batch["trimap"]
        batch = as_floats(batch)
        prediction = self.strategy(self.model, batch["image"]).alpha.float().clamp(0, 1)
        # What is scored is what the file holds, so that anyone can repeat it from the PNGs.
        alpha = (prediction[0, 0] * 255).round().to(torch.uint8).cpu().numpy()
        name = batch["name"][0]
        write_png(self.folder / f"{name}.png", alpha)
        stored = torch.from_numpy(alpha.astype(np.float64) / 255)[None, None]
        target = batch["alpha"].cpu()
        self.rows[name] = matting_metrics(stored, target, trimap.cpu(), self.protocol)

    def on_test_epoch_end(self) -> None:
        """Brings the rows of all processes together, in order of their names."""
        shares = [self.rows]
        if dist.is_available() and dist.is_initialized():
            shares = [{} for _ in range(dist.get_world_size())]
            dist.all_gather_object(shares, self.rows)
        rows = {name: row for share in shares for name, row in share.items()}
        self.rows = {name: rows[name] for name in sorted(rows)}


def means(rows: Rows) -> dict[str, float]:
    """The mean of each metric over photos."""
    names = next(iter(rows.values()))
    return {name: float(np.mean([row[name] for row in rows.values()])) for name in names}


def write_results(
    folder: Path, rows: Rows, photos: Sequence[Photo], facts: dict[str, str]
) -> dict[str, Any]:
    """Writes ``per_image.csv``, ``report.html`` and, last, ``metrics.json``; returns its content.

    Args:
        folder: of the evaluation; its ``alpha/`` holds the mattes.
        rows: metrics by photo.
        photos: of the validation set.
        facts: what the report says of the run.
    """
    summary = {**means(rows), "num_images": len(rows)}
    table = io.StringIO()
    writer = csv.DictWriter(table, ["name", *next(iter(rows.values()))])
    writer.writeheader()
    writer.writerows({"name": name, **row} for name, row in rows.items())
    _write(folder / "per_image.csv", table.getvalue())
    images = [
        ReportImage(p.name, p.image, folder / "alpha" / f"{p.name}.png", p.alpha, rows[p.name])
        for p in photos
        if p.name in rows
    ]
    write_report(folder / "report.html", "Evaluation", facts, means(rows), images)
    _write(folder / "metrics.json", json.dumps(summary, indent=2) + "\n")
    return summary


def _write(path: Path, text: str) -> None:
    aside = path.with_name(path.name + ".tmp")
    aside.write_text(text)
    os.replace(aside, path)
