"""The demo data sets on disk: drawn once, in parallel, all or nothing."""

import hashlib
import multiprocessing
import shutil
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import astuple
from functools import partial
from pathlib import Path

from gfm.data.layout import Roots
from gfm.demo.writer import DemoSize, Drawing, draw_files, drawings, make_folders
from gfm.errors import GFMError
from gfm.system.processes import num_cores, start_worker
from gfm.system.progress import Progress

DEMO_VERSION = 2  # raise it whenever a drawing changes: no old folder is taken for a new one then
STALE_SECONDS = 600  # a run that is alive writes far more often than this
ONE_PROCESS_PIXELS = 3_000_000  # fewer are drawn sooner than other processes have started
SMALLEST_SIDE = 64  # of a photo in pixels


class DemoWriteError(GFMError, OSError):
    """The demo data sets could not be written."""


def ensure_demo(
    root: Path,
    size: DemoSize = DemoSize(),  # noqa: B008  (it is frozen)
    seed: int = 0,
    num_workers: int | None = None,
) -> Roots:
    """Draw the demo data sets into a folder below ``root``, unless it is there already.

    The files are the same whatever the number of processes. A run that is interrupted leaves
    nothing that looks finished, and several may run at once.

    Args:
        root: Holds one folder per size, seed and version of the drawings.
        size: How much to draw.
        seed: Other animals and scenes for every number, >= 0.
        num_workers: Processes to draw with; by default one per core, or this one for a little.

    Raises:
        DemoWriteError: The folder cannot be written, or the disk is full.
        GFMError: The size leaves a data set empty or its photos tiny, or the seed is negative.
    """
    root = Path(root)
    _check(size, seed)
    key = repr((DEMO_VERSION, seed, astuple(size)))
    final = root / hashlib.sha256(key.encode()).hexdigest()[:12]
    if not final.is_dir():
        try:
            _remove_stale(root)
            with _whole_folder(final) as folder:
                make_folders(folder)
                _draw(folder, list(drawings(size, seed)), num_workers)
        except OSError as error:
            reason = error.strerror or str(error)
            raise DemoWriteError(f"cannot write demo data to {root}: {reason}") from error
    return Roots(final / "AM-2k", final / "BG-20k", final / "COCO")


def _check(size: DemoSize, seed: int) -> None:
    counts = (size.num_train, size.num_validation, size.num_backgrounds, size.num_coco)
    sides = (size.height, size.width, size.background_height, size.background_width)
    if min(counts) < 1 or min(sides) < SMALLEST_SIDE or seed < 0:
        raise GFMError(
            f"{size} with seed {seed}: the demo needs at least one image of each kind, "
            f"sides of {SMALLEST_SIDE} pixels or more, and a seed that is not negative"
        )


@contextmanager
def _whole_folder(final: Path) -> Iterator[Path]:
    """A folder to fill, which takes the name ``final`` when that went well."""
    aside = final.with_name(f".{final.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        aside.mkdir(parents=True)
        yield aside
        try:
            aside.rename(final)
        except OSError:
            # Another run was faster; it has drawn the same.
            if not final.is_dir():
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _remove_stale(root: Path) -> None:
    """Remove what runs that were killed have left in ``root``."""
    for folder in root.glob(".*.partial"):
        # It may belong to a live run and take its final name at any moment.
        with suppress(FileNotFoundError):
            times = [path.stat().st_mtime for path in (folder, *folder.rglob("*/"))]
            if time.time() - max(times) > STALE_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def _draw(folder: Path, todo: list[Drawing], num_workers: int | None) -> None:
    if num_workers is None:
        pixels = sum(drawing.height * drawing.width for drawing in todo)
        num_workers = num_cores() if pixels > ONE_PROCESS_PIXELS else 1
    with Progress(len(todo), "drawing demo data") as progress:
        for _ in _finished(folder, todo, num_workers):
            progress.advance()


def _finished(folder: Path, todo: list[Drawing], num_workers: int) -> Iterator[None]:
    """Yields once for every drawing done."""
    if num_workers <= 1:
        yield from map(partial(draw_files, folder), todo)
        return
    # A fresh interpreter per worker: forking one that has threads, as with torch, may hang.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(num_workers, len(todo)), context, start_worker)
    try:
        for future in as_completed([pool.submit(draw_files, folder, drawing) for drawing in todo]):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)
