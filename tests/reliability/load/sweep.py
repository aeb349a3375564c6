"""Runs a sweep of many jobs in one process; its memory must not grow."""

import csv
import time
from pathlib import Path

from gfm.animals import DrawnAnimals
from gfm.system.console import console
from gfm.system.progress import duration
from tests.conftest import DEMO, SMALL_DATA, SMALL_TRAINING
from tests.reliability.commands import TRAIN, started
from tests.reliability.load.usage import course, watch

_TINY = ("trainer.limit_train_batches=1", "test=false", "trainer.limit_val_batches=1")


def sweep(folder: Path, num_jobs: int) -> bool:
    """Train networks for a step; return whether all are in the table, and memory did not grow."""
    demo, swept = folder / "demo", folder / "swept"
    DrawnAnimals(demo, **DEMO).find()
    small = [o for o in SMALL_TRAINING if not o.startswith("trainer.limit_train_batches")]
    options = [*SMALL_DATA, *small, *_TINY, "track=ori", f"paths.demo={demo}"]
    jobs = [f"seed=range({num_jobs})", f"hydra.sweep.dir={swept}"]
    begin = time.monotonic()
    with started([*TRAIN, "-m", *options, *jobs], folder / "sweep.log") as process:
        flow = course(watch(process))
    seconds = time.monotonic() - begin
    with (swept / "sweep.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    finished = sum(row["status"] == "finished" for row in rows)
    each = f"{duration(seconds)}, {seconds / num_jobs:.1f} s each"
    console().print(f"{finished} of {num_jobs} jobs finished: {each}, {flow}", highlight=False)
    return process.returncode == 0 and finished == num_jobs and flow.is_flat
