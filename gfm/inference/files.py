"""Mattes of files: which are to be made, and making them."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType

import numpy as np

from gfm.data.images import write_png
from gfm.errors import GFMError, WriteError
from gfm.inference.inputs import Source
from gfm.inference.photos import read_photo
from gfm.inference.pipeline import one_line, overlapped
from gfm.inference.results import Output, Results
from gfm.inference.video.clips import predict_clip
from gfm.inference.video.formats import ClipOptions
from gfm.system.console import console
from gfm.system.files import make_folder
from gfm.system.progress import Progress, duration

_DEFAULT = ClipOptions()


def target(out: Path, output: Output, source: Source, clips: ClipOptions = _DEFAULT) -> Path:
    """Where a result goes: ``out/alpha/<sub-folders>/<name>.png``, of a clip ``<name>.mkv``."""
    name = out / output / source.name
    suffix = clips.format_of(output).suffix if source.is_clip else ".png"
    return name.with_name(f"{name.name}{suffix}")


def unmade(
    sources: Sequence[Source],
    out: Path,
    outputs: Sequence[Output],
    clips: ClipOptions = _DEFAULT,
) -> list[Source]:
    """Those of which a result is not there."""
    return [
        source
        for source in sources
        if not all(target(out, output, source, clips).exists() for output in outputs)
    ]


class Tally:
    """Counts what becomes of files, and tells it at the end; a context manager.

    Args:
        num_files: to be made.
        out: folder of results.

    Raises:
        GFMError: at the end, if some failed.
        SystemExit: on Control-C, with status 130.
    """

    def __init__(self, num_files: int, out: Path) -> None:
        self.num_files = num_files
        self.out = out
        self.computing = 0.0  # seconds
        self._faults: list[str] = []
        self._start = time.monotonic()

    def fault(self, source: Source, text: str) -> None:
        """Notes that a file failed."""
        self._faults.append(text if str(source) in text else f"{source}: {text}")

    def __enter__(self) -> "Tally":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for fault in self._faults:
            console().print(f"failed: {fault}", highlight=False, markup=False)
        if isinstance(error, KeyboardInterrupt):
            console().print("stopped; the same command goes on from here")
            sys.exit(130)
        if error is not None:
            return
        seconds = time.monotonic() - self._start
        num_failed = len(self._faults)
        text = f"{self.num_files - num_failed:,} written to {self.out} in {duration(seconds)}"
        share = f", {self.computing / seconds:.0%} of it computing" if seconds else ""
        console().print(text + share, highlight=False, markup=False)
        if num_failed:
            raise GFMError(f"{num_failed:,} of {self.num_files:,} failed (listed above)")


def predict_files(
    make: Results,
    sources: Sequence[Source],
    out: Path,
    outputs: Sequence[Output],
    clips: ClipOptions = _DEFAULT,
) -> None:
    """Reads photos and clips, makes results and writes them, each file whole or not at all.

    Photos first. Faulty files do not stop the others; they are listed at the end.

    Args:
        make: from H×W×3 uint8 to what is wanted.
        sources: the photos and clips.
        out: folder of results.
        outputs: what ``make`` makes.
        clips: how clips are treated.

    Raises:
        GFMError: some failed, or the folder cannot be written.
        SystemExit: on Control-C, with status 130.
    """
    folders = {target(out, o, source, clips).parent for o in outputs for source in sources}
    for folder in sorted(folders):
        make_folder(folder)
    with Tally(len(sources), out) as tally:
        photos = [source for source in sources if not source.is_clip]
        if photos:
            _predict_photos(make, photos, out, tally)
        for source in sources:
            if source.is_clip:
                targets = {o: target(out, o, source, clips) for o in outputs}
                _predict_clip(make, source, targets, clips, tally)


def _predict_photos(
    make: Callable[[np.ndarray], Mapping[Output, np.ndarray]],
    photos: Sequence[Source],
    out: Path,
    tally: Tally,
) -> None:
    with Progress(len(photos), "photo") as progress:
        for outcome in overlapped(photos, _read, make, partial(_write, out)):
            tally.computing += outcome.seconds
            progress.advance()
            if outcome.fault is not None:
                tally.fault(outcome.item, outcome.fault)


def _predict_clip(
    make: Results, source: Source, targets: Mapping[Output, Path], clips: ClipOptions, tally: Tally
) -> None:
    try:
        tally.computing += predict_clip(make, source.path, targets, clips)
    except WriteError:
        raise  # the next would not fare better
    except Exception as error:  # of frames too large for the device as well: the others go on
        tally.fault(source, one_line(error))


def _read(source: Source) -> np.ndarray:
    return read_photo(source.path)


def _write(out: Path, source: Source, made: Mapping[Output, np.ndarray]) -> None:
    for output, picture in made.items():
        write_png(target(out, output, source), picture)
