"""Mattes files of photos and clips, skipping those whose results exist."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType

import numpy as np

from gfm.data.images import write_png
from gfm.errors import INTERRUPTED, GFMError, WriteError, one_line
from gfm.inference.input_files import Source
from gfm.inference.outputs import Output, OutputMaker
from gfm.inference.photos import read_photo
from gfm.inference.pipeline import process_overlapped
from gfm.inference.video.clips import predict_clip
from gfm.inference.video.codecs import ClipOptions
from gfm.system.console import console
from gfm.system.files import make_folder
from gfm.system.progress import Progress, duration

_DEFAULT = ClipOptions()


def target(out: Path, output: Output, source: Source, clips: ClipOptions = _DEFAULT) -> Path:
    """Return the path of a result, such as ``out/alpha/<sub-folders>/<name>.png`` or ``.mkv``."""
    name = out / output / source.name
    suffix = clips.format_of(output).suffix if source.is_clip else ".png"
    return name.with_name(f"{name.name}{suffix}")


def find_missing(
    sources: Sequence[Source],
    out: Path,
    outputs: Sequence[Output],
    clips: ClipOptions = _DEFAULT,
) -> list[Source]:
    """Return the photos and clips for which a result is missing."""
    return [
        source
        for source in sources
        if not all(target(out, output, source, clips).exists() for output in outputs)
    ]


class Tally:
    """Context manager that counts the files that fail, and prints a summary at the end.

    Args:
        num_files: Number of files to process.
        out: Folder of the results.

    Raises:
        GFMError: At the end, if some files failed.
        SystemExit: On Control-C, with status 130.
    """

    def __init__(self, num_files: int, out: Path) -> None:
        self.num_files = num_files
        self.out = out
        self.computing = 0.0  # seconds
        self._failures: list[str] = []
        self._start = time.monotonic()

    def add_failure(self, source: Source, text: str) -> None:
        """Record that a file failed."""
        self._failures.append(text if str(source) in text else f"{source}: {text}")

    def __enter__(self) -> "Tally":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for failure in self._failures:
            console().print(f"failed: {failure}", highlight=False, markup=False)
        if isinstance(error, KeyboardInterrupt):
            console().print("interrupted; repeat the command to resume")
            sys.exit(INTERRUPTED)
        if error is not None:
            return
        seconds = time.monotonic() - self._start
        num_failed = len(self._failures)
        text = f"{self.num_files - num_failed:,} written to {self.out} in {duration(seconds)}"
        share = f", {self.computing / seconds:.0%} of it computing" if seconds else ""
        console().print(text + share, highlight=False, markup=False)
        if num_failed:
            raise GFMError(f"{num_failed:,} of {self.num_files:,} failed (listed above)")


def predict_files(
    maker: OutputMaker,
    sources: Sequence[Source],
    out: Path,
    outputs: Sequence[Output],
    clips: ClipOptions = _DEFAULT,
) -> None:
    """Read photos, then clips, and write their results; each file is complete or absent.

    Files that fail do not stop the others; they are listed at the end.

    Args:
        maker: Makes the results for a photo or a frame.
        sources: Photos and clips.
        out: Folder of the results.
        outputs: Results that ``maker`` makes.
        clips: Options for clips.

    Raises:
        GFMError: Some files failed, or the folder cannot be written.
        SystemExit: On Control-C, with status 130.
    """
    folders = {target(out, o, source, clips).parent for o in outputs for source in sources}
    for folder in sorted(folders):
        make_folder(folder)
    with Tally(len(sources), out) as tally:
        photos = [source for source in sources if not source.is_clip]
        if photos:
            _predict_photos(maker, photos, out, tally)
        for source in sources:
            if source.is_clip:
                targets = {o: target(out, o, source, clips) for o in outputs}
                _predict_clip(maker, source, targets, clips, tally)


def _predict_photos(
    make: Callable[[np.ndarray], Mapping[Output, np.ndarray]],
    photos: Sequence[Source],
    out: Path,
    tally: Tally,
) -> None:
    with Progress(len(photos), "photo") as progress:
        for attempt in process_overlapped(photos, _read, make, partial(_write, out)):
            tally.computing += attempt.seconds
            progress.advance()
            if attempt.error is not None:
                tally.add_failure(attempt.item, attempt.error)


def _predict_clip(
    maker: OutputMaker,
    source: Source,
    targets: Mapping[Output, Path],
    clips: ClipOptions,
    tally: Tally,
) -> None:
    try:
        tally.computing += predict_clip(maker, source.path, targets, clips)
    except WriteError:
        raise  # the next clip would fail, too
    except Exception as error:  # such as frames that are too large; other clips are still made
        tally.add_failure(source, one_line(error))


def _read(source: Source) -> np.ndarray:
    return read_photo(source.path)


def _write(out: Path, source: Source, made: Mapping[Output, np.ndarray]) -> None:
    for output, picture in made.items():
        write_png(target(out, output, source), picture)
