"""Mattes photos and clips from file to file."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

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


def result_path(out: Path, output: Output, source: Source, clips: ClipOptions = _DEFAULT) -> Path:
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
        if not all(result_path(out, output, source, clips).exists() for output in outputs)
    ]


def predict_files(
    maker: OutputMaker, sources: Sequence[Source], out: Path, clips: ClipOptions = _DEFAULT
) -> None:
    """Matte photos, then clips, and write the results atomically.

    Files that fail do not stop the others; they are listed at the end.

    Args:
        maker: Makes the outputs for a photo or a frame.
        sources: Photos and clips.
        out: Folder for the results.
        clips: Options for clips.

    Raises:
        GFMError: Some files failed, or the folder cannot be written.
        SystemExit: On Control-C, with status 130.
    """
    paths = [result_path(out, o, source, clips) for o in maker.outputs for source in sources]
    for folder in sorted({path.parent for path in paths}):
        make_folder(folder)
    with _summarize(len(sources), out) as summary:
        photos = [source for source in sources if not source.is_clip]
        if photos:
            _predict_photos(maker, photos, out, summary)
        for source in sources:
            if source.is_clip:
                targets = {o: result_path(out, o, source, clips) for o in maker.outputs}
                _predict_clip(maker, source, targets, clips, summary)


@dataclass
class _Summary:
    """The failures, and the seconds spent computing."""

    failures: list[str] = field(default_factory=list)
    computing: float = 0.0

    def add_failure(self, source: Source, text: str) -> None:
        """Record the error of a file that failed."""
        self.failures.append(text if str(source) in text else f"{source}: {text}")


@contextmanager
def _summarize(num_files: int, out: Path) -> Iterator[_Summary]:
    """Provide a summary to fill, and print it at the end.

    Raises:
        GFMError: Some files failed.
        SystemExit: On Control-C, with status 130.
    """
    start = time.monotonic()
    summary = _Summary()
    try:
        try:
            yield summary
        finally:
            for failure in summary.failures:
                console().print(f"failed: {failure}", highlight=False, markup=False)
    except KeyboardInterrupt:
        console().print("interrupted; repeat the command to resume")
        sys.exit(INTERRUPTED)
    seconds = time.monotonic() - start
    num_failed = len(summary.failures)
    text = f"{num_files - num_failed:,} written to {out} in {duration(seconds)}"
    share = f", {summary.computing / seconds:.0%} of it computing" if seconds else ""
    console().print(text + share, highlight=False, markup=False)
    if num_failed:
        raise GFMError(f"{num_failed:,} of {num_files:,} failed (listed above)")


def _predict_photos(
    maker: OutputMaker, photos: Sequence[Source], out: Path, summary: _Summary
) -> None:
    with Progress(len(photos), "photo") as progress:
        for outcome in process_overlapped(photos, _read, maker, partial(_write, out)):
            summary.computing += outcome.seconds
            progress.advance()
            if outcome.error is not None:
                summary.add_failure(outcome.item, outcome.error)


def _predict_clip(
    maker: OutputMaker,
    source: Source,
    targets: Mapping[Output, Path],
    clips: ClipOptions,
    summary: _Summary,
) -> None:
    try:
        summary.computing += predict_clip(maker, source.path, targets, clips)
    except WriteError:
        raise  # the next clip would fail in the same way
    except Exception as error:  # such as frames too large for the device; continue with the others
        summary.add_failure(source, one_line(error))


def _read(source: Source) -> np.ndarray:
    return read_photo(source.path)


def _write(out: Path, source: Source, arrays: Mapping[Output, np.ndarray]) -> None:
    for output, array in arrays.items():
        write_png(result_path(out, output, source), array)
