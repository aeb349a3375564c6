"""Mattes of files: which are to be made, and making them."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from gfm.data.images import write_png
from gfm.errors import GFMError
from gfm.inference.inputs import Source
from gfm.inference.photos import read_photo
from gfm.inference.pipeline import overlapped
from gfm.inference.results import Output
from gfm.system.console import console
from gfm.system.files import make_folder
from gfm.system.progress import Progress, duration


def target(out: Path, output: Output, source: Source) -> Path:
    """Where a result goes: ``out/alpha/<sub-folders>/<name>.png``."""
    name = out / output / source.name
    return name.with_name(f"{name.name}.png")


def unmade(sources: Sequence[Source], out: Path, outputs: Sequence[Output]) -> list[Source]:
    """Those of which a result is not there."""
    return [
        source
        for source in sources
        if not all(target(out, output, source).is_file() for output in outputs)
    ]


def predict_files(
    make: Callable[[np.ndarray], Mapping[Output, np.ndarray]],
    sources: Sequence[Source],
    out: Path,
    outputs: Sequence[Output],
) -> None:
    """Reads photos, makes results and writes them as PNG, each file whole or not at all.

    Faulty photos do not stop the others; they are listed at the end.

    Args:
        make: from H×W×3 uint8 to what is wanted; see :class:`gfm.inference.results.Results`.
        sources: the photos.
        out: folder of results.
        outputs: what ``make`` makes.

    Raises:
        GFMError: some photos failed, or the folder cannot be written.
        SystemExit: on Control-C, with status 130.
    """
    for folder in sorted({target(out, o, source).parent for o in outputs for source in sources}):
        make_folder(folder)
    start, computing = time.monotonic(), 0.0
    faults: list[str] = []
    write = partial(_write, out)
    try:
        with Progress(len(sources), "photo") as progress:
            for outcome in overlapped(sources, _read, make, write):
                computing += outcome.seconds
                progress.advance()
                if outcome.fault is not None:
                    named = str(outcome.item) in outcome.fault
                    faults.append(outcome.fault if named else f"{outcome.item}: {outcome.fault}")
    except KeyboardInterrupt:
        console().print("stopped; the same command goes on from here")
        sys.exit(130)
    finally:
        for fault in faults:
            console().print(f"failed: {fault}", highlight=False, markup=False)
    seconds = time.monotonic() - start
    text = f"{len(sources) - len(faults):,} written to {out} in {duration(seconds)}"
    share = f", {computing / seconds:.0%} of it computing" if seconds else ""
    console().print(text + share, highlight=False, markup=False)
    if faults:
        raise GFMError(f"{len(faults):,} of {len(sources):,} failed (listed above)")


def _read(source: Source) -> np.ndarray:
    return read_photo(source.path)


def _write(out: Path, source: Source, made: Mapping[Output, np.ndarray]) -> None:
    for output, picture in made.items():
        write_png(target(out, output, source), picture)
