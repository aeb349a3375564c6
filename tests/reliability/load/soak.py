"""Runs a loader for a long time; its memory and file handles must not grow."""

import multiprocessing
import os
import time
from pathlib import Path

from gfm.animals import DrawnAnimals
from gfm.data.datamodule import MattingDataModule
from gfm.data.dataset import SampleOptions
from gfm.data.tracks import RssnTrack
from gfm.system.console import console
from gfm.system.progress import Progress, duration
from tests.conftest import DEMO
from tests.reliability.load.usage import Usage, course, usage_of

_INTERVAL = 5.0  # seconds between two looks
_WORKERS = 2


def soak(folder: Path, minutes: float) -> bool:
    """Load epochs for this time, and return whether memory and handles did not grow."""
    datamodule = MattingDataModule(
        DrawnAnimals(folder / "demo", **DEMO),
        RssnTrack(foreground="closed_form", backgrounds_per_foreground=50),
        SampleOptions(crop_sizes=[64, 96, 128], input_size=64),
        batch_size=8,
        num_workers=_WORKERS,
    )
    datamodule.setup("fit")
    loader = datamodule.train_dataloader()
    looks: list[Usage] = []
    begin, epoch, samples = time.monotonic(), 0, 0
    end = begin + 60 * minutes
    with Progress(round(60 * minutes), "seconds of loading") as progress:
        while time.monotonic() < end:
            loader.batch_sampler.sampler.set_epoch(epoch)
            for batch in loader:
                samples += len(batch["image"])
                now = time.monotonic() - begin
                if now > _INTERVAL * (len(looks) + 1):
                    looks.append(_look(begin))
                    progress.show(min(round(now), progress.total))
            epoch += 1
    flow = course(looks)
    text = f"{samples:,} samples in {epoch:,} epochs, {duration(time.monotonic() - begin)}, "
    console().print(f"{text}{_WORKERS} workers: {flow}", highlight=False)
    return flow.is_flat


def _look(begin: float) -> Usage:
    children = (child.pid or 0 for child in multiprocessing.active_children())
    return usage_of([os.getpid(), *children], begin)
