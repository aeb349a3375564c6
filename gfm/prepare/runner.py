"""Runs ``gfm prepare`` commands: skips existing files, estimates time and size, lists failures.

A command is a list of items and a function that makes the pictures of one. It may be killed at any
moment: writes are atomic, so the next run skips the files that exist. Existing files are replaced
only with ``--overwrite``, whoever made them.
"""

import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from rich.filesize import decimal

from gfm.data.headers import describe_faults
from gfm.data.images import (
    SUFFIXES,
    image_size,
    is_packed,
    write_array,
    write_jpeg,
    write_png,
)
from gfm.data.listing import list_pictures
from gfm.errors import GFMError
from gfm.system.console import console
from gfm.system.cores import num_cores
from gfm.system.files import check_file, make_folder
from gfm.system.processes import exit_on_sigterm, map_unordered
from gfm.system.progress import Progress, duration
from gfm.system.shards import EVERYTHING, Shard

SAMPLE = 3
"""Number of items from which the time of the others is estimated."""

_WRITERS = {".png": write_png, ".npy": write_array}


@dataclass(frozen=True)
class Item:
    """A piece of work.

    Attributes:
        sources: Pictures to read; the first determines the size of the targets.
        targets: Files to write, as PNG, JPEG or packed; the item is done when all of them exist.
        bytes_per_pixel: Estimated bytes of all targets together, per pixel of the first source.
        quality: Quality of JPEG targets.
    """

    sources: tuple[Path, ...]
    targets: tuple[Path, ...]
    bytes_per_pixel: float = 0.0
    quality: int = field(default=95, kw_only=True)

    def __str__(self) -> str:
        return str(self.sources[0])

    def num_bytes(self, size: tuple[int, int]) -> float:
        """Estimate the bytes of the targets for a source of (height, width)."""
        return self.bytes_per_pixel * size[0] * size[1]


@dataclass(frozen=True)
class Options:
    """Options shared by all ``gfm prepare`` commands that write pictures.

    Attributes:
        num_workers: Number of processes; ``None`` means one per core.
        shard: Part of the items to make.
        overwrite: Whether to replace files that exist.
    """

    num_workers: int | None = None
    shard: Shard = EVERYTHING
    overwrite: bool = False


DEFAULTS = Options()


@dataclass(frozen=True)
class Job:
    """The work of a command.

    Attributes:
        title: Name of the work, for messages.
        items: Items to make.
        make: Returns the pictures of an item's targets; raises GFMError for bad sources.
        is_exact: Whether sizes on the disk are exact, so that too little space is an error.
    """

    title: str
    items: Sequence[Item]
    make: Callable[[Item], Sequence[np.ndarray]]
    is_exact: bool = False


@exit_on_sigterm()
def run(jobs: Sequence[Job], options: Options) -> None:
    """Make the missing files of all jobs; print estimates and failures.

    Raises:
        GFMError: The disk is too small for all jobs or cannot be written, a target folder holds
            sources, a worker was killed, or some items failed after all others were made.
    """
    needed: defaultdict[int, float] = defaultdict(float)
    todos = [(job, _find_work(job, options, needed)) for job in jobs]
    num_failed = sum(_make(job, todo, options) for job, todo in todos if todo)
    if num_failed:
        total = sum(len(todo) for _, todo in todos)
        raise GFMError(f"{num_failed:,} of {total:,} failed (listed above)")


def _find_work(job: Job, options: Options, needed: defaultdict[int, float]) -> list[Item]:
    """Return the items to make, after checking their folders and the free space."""
    share = options.shard.of(job.items)
    todo, num_outdated = (list(share), 0) if options.overwrite else _find_missing(share)
    part = f", {options.shard}" if options.shard.count > 1 else ""
    there = f", {len(share) - len(todo):,} already made" if len(todo) < len(share) else ""
    if num_outdated:
        there += f" ({num_outdated:,} before their sources changed: --overwrite replaces them)"
    console().print(f"{job.title}{part}: {len(todo):,} to make{there}")
    if todo:
        _check_folders(todo)
        _check_disk(job, todo, needed)
    return todo


def _make(job: Job, todo: list[Item], options: Options) -> int:
    """Make the items, print the failures (even if interrupted), and return their number."""
    for folder in sorted({target.parent for item in todo for target in item.targets}):
        make_folder(folder)
    start = time.monotonic()
    num_workers = min(options.num_workers or num_cores(), len(todo))
    make = partial(_write, job.make, options.overwrite)
    seconds: list[float] = []
    faults: list[str] = []
    try:
        with Progress(len(todo), job.title) as bar:
            for outcome in map_unordered(make, todo, num_workers):
                bar.advance()
                if outcome.error:
                    name = "" if str(outcome.item) in outcome.error else f"{outcome.item}: "
                    faults.append(name + outcome.error)
                    continue
                seconds.append(outcome.seconds)
                left = len(todo) - bar.done
                # The first item of each worker also includes the import of libraries.
                if len(seconds) == num_workers + SAMPLE and left:
                    each = sum(seconds[num_workers:]) / SAMPLE
                    bar.print(
                        f"about {duration(each * left / num_workers)} for the rest, "
                        f"{each:.2g} s each, {num_workers} at a time"
                    )
    finally:
        for fault in faults:
            console().print(f"failed: {fault}")
    made = f"{job.title}: {len(todo) - len(faults):,} made"
    console().print(f"{made} in {duration(time.monotonic() - start)}")
    return len(faults)


def _find_missing(items: Iterable[Item]) -> tuple[list[Item], int]:
    """List the items with a target that exists in no supported format.

    Returns:
        These items, and how many of the others are older than their sources.
    """
    listed: dict[Path, dict[str, list[Path]]] = {}
    missing, num_outdated = [], 0
    for item in items:
        for folder in {target.parent for target in item.targets} - listed.keys():
            listed[folder] = list_pictures(folder)
        made = [listed[target.parent].get(target.stem) for target in item.targets]
        if not all(made):
            missing.append(item)
        elif _newest(item.sources) > min(_newest(paths or ()) for paths in made):
            num_outdated += 1
    return missing, num_outdated


def _newest(paths: Iterable[Path]) -> float:
    """Return when the newest of the files was written; 0 if there are none."""
    return max((path.stat().st_mtime for path in paths if path.exists()), default=0.0)


def _write(make: Callable[[Item], Sequence[np.ndarray]], overwrite: bool, item: Item) -> None:
    """Make an item and write its targets; replace those that exist only with ``overwrite``."""
    for path, picture in zip(item.targets, make(item), strict=True):
        existing = [other for other in _same_pictures(path) if other.exists()]
        if existing and not overwrite:
            continue
        if path.suffix == ".jpg":
            write_jpeg(path, picture, item.quality)
        else:
            _WRITERS[path.suffix](path, picture)
        for other in existing:
            # On a disk that ignores case, p.PNG is the new p.png.
            if other.exists() and not other.samefile(path):
                other.unlink()


def _same_pictures(path: Path) -> list[Path]:
    """List the paths that a picture of this name may have in any format."""
    suffixes = {case for suffix in SUFFIXES for case in (suffix, suffix.upper())}
    return [path, *(path.with_name(path.stem + s) for s in suffixes if s != path.suffix)]


def _check_folders(todo: Sequence[Item]) -> None:
    """Raise GFMError if a target folder also holds sources."""
    sources = {path.parent for item in todo for path in item.sources}
    targets = {path.parent for item in todo for path in item.targets}
    same = {path.resolve() for path in sources} & {path.resolve() for path in targets}
    for folder in sorted(same):
        raise GFMError(f"{folder} holds the pictures to read: name another folder to write to")


def _check_disk(job: Job, todo: Sequence[Item], needed: defaultdict[int, float]) -> None:
    """Print how much will be written, and how much is free after the earlier jobs.

    ``needed`` maps each disk to the bytes that earlier jobs need; those of this job are added.
    """
    need = 0.0
    with Progress(len(todo), f"{job.title}: sizes") as bar:  # takes minutes on a slow disk
        for item in todo:
            need += item.num_bytes(_size(item))
            bar.advance()
    place = next(folder for folder in todo[0].targets[0].absolute().parents if folder.exists())
    disk = place.stat().st_dev
    free = max(shutil.disk_usage(place).free - int(needed[disk]), 0)
    text = f"about {decimal(int(need))}, {decimal(free)} {'then ' if needed[disk] else ''}free"
    needed[disk] += need
    if need > free and job.is_exact:
        raise GFMError(f"{job.title} takes {text} at {place}: choose another disk with --out")
    warning = "; that may not be enough" if need > free else ""
    console().print(f"takes {text} at {place}{warning}")


def _size(item: Item) -> tuple[int, int]:
    path = item.sources[0]
    try:
        if is_packed(path):
            return image_size(path)
        check_file(path)  # opening a named pipe would wait forever
        # `image_size` searches a whole PNG for its orientation, which does not matter here.
        with describe_faults(path), Image.open(path) as image:
            return image.height, image.width
    except GFMError:
        return 0, 0  # making the item will fail
