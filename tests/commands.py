"""Short trainings from the command line, in a user's own folder."""

import csv
import os
from pathlib import Path

import torch

from tests import processes
from tests.conftest import PROJECT, SMALL_DATA, SMALL_TRAINING
from tests.processes import GFM


def run(script, *options, cwd):
    """Run a command as a user types it, in their folder; return its outcome."""
    program = GFM if script == "gfm" else [PROJECT / script]
    return processes.run([*program, *options], cwd, surroundings(cwd))


def surroundings(cwd: Path) -> dict[str, str]:
    path = os.pathsep.join([str(PROJECT), str(cwd / "code")])
    return {**os.environ, "PYTHONPATH": path, "COLUMNS": "200"}


def rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "metrics.csv").open()))


def column(folder: Path, name: str) -> list[float]:
    return [float(row[name]) for row in rows(folder) if row.get(name)]


def step_of(checkpoint: Path) -> int:
    return int(torch.load(checkpoint, weights_only=True)["global_step"])


def small(demo_folder: Path, *but: str) -> list[str]:
    """Options of a training with two steps per epoch, except those of the given names."""
    options = [f"paths.demo={demo_folder}", "track=ori", *SMALL_DATA, *SMALL_TRAINING]
    return [o for o in options if not o.startswith(but)] if but else options
