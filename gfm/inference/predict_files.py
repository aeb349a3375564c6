"""Mattes photos and clips from file to file."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from gfm.data.images import write_png
from gfm.errors import INTERRUPTED, GFMError, WriteError, one_line
from gfm.inference.input_files import Failure, Source, list_failures
from gfm.inference.outputs import Output, OutputMaker
from gfm.inference.photos import read_photo
from gfm.inference.pipeline import process_overlapped
from gfm.inference.result_files import result_path
from gfm.inference.video.clips import predict_clip
from gfm.inference.video.codecs import ClipOptions
from gfm.system.console import console
from gfm.system.files import make_folder
from gfm.system.progress import Progress, duration

_DEFAULT = ClipOptions()


def predict_files(
    maker: OutputMaker,
    sources: Sequence[Source],
    out: Path,
    clips: ClipOptions = _DEFAULT,
    failures: Sequence[Failure] = (),
) -> None:
    """Matte photos, then clips, and write the results atomically.

    Files that fail do not stop the others; they are listed at the end.

    Args:
        maker: Makes the outputs for a photo or a frame.
        sources: Photos and clips.
        out: Folder for the results.
        clips: Options for clips.
        failures: Files that failed before, to list and count with the others.

    Raises:
        GFMError: Some files failed, or the folder cannot be written.
        SystemExit: On Control-C, with status 130.
    """
    for output in maker.outputs:  # if one fails, all photos would
        make_folder(out / output)
    with _summarize(len(sources), out, failures) as summary:
        ready = _make_folders(sources, out, maker.outputs, summary)
        if photos := [source for source in ready if not source.is_clip]:
            _predict_photos(maker, photos, out, summary)
        for source in ready:
            if source.is_clip:
                targets = {o: result_path(out, o, source, clips) for o in maker.outputs}
                _predict_clip(maker, source, targets, clips, summary)


@dataclass
class _Summary:
    """The failures, and the seconds spent computing."""

    failures: list[Failure]
    computing: float = 0.0

    def add_failure(self, source: Source, text: str) -> None:
        """Record the error of a file that failed."""
        self.failures.append(Failure(text if str(source) in text else f"{source}: {text}"))


@contextmanager
def _summarize(num_sources: int, out: Path, failures: Sequence[Failure]) -> Iterator[_Summary]:
    """Provide a summary to fill, and print it at the end.

    Raises:
        GFMError: Some files failed.
        SystemExit: On Control-C, with status 130.
    """
    start = time.monotonic()
    summary = _Summary(list(failures))
    try:
        try:
            yield summary
        finally:
            list_failures(summary.failures)
    except KeyboardInterrupt:
        console().print("interrupted; repeat the command to resume")
        sys.exit(INTERRUPTED)
    seconds = time.monotonic() - start
    num_written = num_sources - (len(summary.failures) - len(failures))
    text = f"{num_written:,} written to {out} in {duration(seconds)}"
    share = f", {summary.computing / seconds:.0%} of it computing" if seconds else ""
    console().print(text + share, highlight=False, markup=False)
    if summary.failures:
        num_failed = sum(failure.num_files for failure in summary.failures)
        raise GFMError(f"{num_failed:,} of {num_written + num_failed:,} failed (listed above)")


def _make_folders(
    sources: Sequence[Source], out: Path, outputs: Sequence[Output], summary: _Summary
) -> list[Source]:
    """Make the folders of all results; return the photos and clips for which that succeeded."""
    errors: dict[Path, str] = {}
    for folder in sorted({(out / o / source.name).parent for o in outputs for source in sources}):
        try:
            make_folder(folder)
        except GFMError as error:
            errors[folder] = str(error)
    ready = []
    for source in sources:
        folders = [(out / output / source.name).parent for output in outputs]
        if found := [errors[folder] for folder in folders if folder in errors]:
            summary.add_failure(source, found[0])
        else:
            ready.append(source)
    return ready


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
