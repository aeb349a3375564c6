"""Mattes photos and clips from file to file."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gfm.compat.torch_errors import lacks_memory
from gfm.data.decoding import decode_image
from gfm.data.images import read_image, write_png
from gfm.errors import GFMError, WriteError, one_line
from gfm.inference.detail import limit_size
from gfm.inference.input_files import STDIN, Failure, Source, count_files, list_failures
from gfm.inference.outputs import Output, OutputMaker
from gfm.inference.pipeline import process_overlapped
from gfm.inference.result_files import ResultFiles
from gfm.system.console import console
from gfm.system.cores import num_cores
from gfm.system.files import make_folder
from gfm.system.progress import Progress, duration

_LEAST_SIZE = 64  # pixels of the shorter side; smaller inputs hardly save memory


def predict_files(
    maker: OutputMaker,
    sources: Sequence[Source],
    results: ResultFiles,
    failures: Sequence[Failure] = (),
) -> None:
    """Matte photos, then clips, and write the results atomically.

    Files that fail do not stop the others. They are listed at the end, with the earlier
    ``failures``.

    Raises:
        GFMError: Some files failed, or the folder cannot be written.
    """
    for output in results.outputs:  # without these folders, all files would fail
        make_folder(results.out / output)
    with _summarize(len(sources), results.out, failures) as summary:
        ready = _make_folders(sources, results, summary)
        if photos := [source for source in ready if not source.is_clip]:
            _predict_photos(maker, photos, results, summary)
        for source in ready:
            if source.is_clip:
                _predict_clip(maker, source, results, summary)


@dataclass
class _Summary:
    """Failures, and the seconds spent computing."""

    failures: list[Failure]
    computing: float = 0.0

    def add_failure(self, source: Source, text: str) -> None:
        self.failures.append(Failure(text if str(source) in text else f"{source}: {text}"))


@contextmanager
def _summarize(num_sources: int, out: Path, failures: Sequence[Failure]) -> Iterator[_Summary]:
    """Provide a summary to fill, and print it at the end; see :func:`predict_files` for errors."""
    start = time.monotonic()
    summary = _Summary(list(failures))
    try:
        yield summary
    finally:
        list_failures(summary.failures)
    seconds = time.monotonic() - start
    num_written = num_sources - (len(summary.failures) - len(failures))
    text = f"{num_written:,} written to {out} in {duration(seconds)}"
    share = f", {summary.computing / seconds:.0%} of it computing" if seconds else ""
    console().print(text + share)
    if summary.failures:
        raise GFMError(f"{count_files(summary.failures):,} failed (listed above)")


def _make_folders(
    sources: Sequence[Source], results: ResultFiles, summary: _Summary
) -> list[Source]:
    """Make the folders of all results; return the photos and clips for which that succeeded."""
    folders = {source: {path.parent for path in results.of(source).values()} for source in sources}
    errors: dict[Path, str] = {}
    for folder in sorted(set().union(*folders.values())):
        try:
            make_folder(folder)
        except GFMError as error:
            errors[folder] = str(error)
    ready = []
    for source in sources:
        if found := folders[source] & errors.keys():
            summary.add_failure(source, errors[min(found)])
        else:
            ready.append(source)
    return ready


def _predict_photos(
    maker: OutputMaker, photos: Sequence[Source], results: ResultFiles, summary: _Summary
) -> None:
    # Read in the main thread, where Control-C can interrupt it.
    is_given = any(photo.path == STDIN for photo in photos)
    stdin = sys.stdin.buffer.read() if is_given and sys.stdin else b""  # None: closed by the shell

    def read(source: Source) -> tuple[Source, np.ndarray]:
        is_stdin = source.path == STDIN
        return source, decode_image(str(source), stdin) if is_stdin else read_image(source.path)

    def compute(photo: tuple[Source, np.ndarray]) -> dict[Output, np.ndarray]:
        return _make_outputs(maker, *photo)

    def write(source: Source, arrays: Mapping[Output, np.ndarray]) -> None:
        for output, path in results.to_write(source).items():
            write_png(path, arrays[output])

    # More than two, because a GPU mattes faster than two threads write PNG files.
    num_threads = min(4, max(2, num_cores() // 2))
    with Progress(len(photos), "photo") as progress:
        for outcome in process_overlapped(photos, read, compute, write, num_threads):
            summary.computing += outcome.seconds
            progress.advance()
            if outcome.error is not None:
                summary.add_failure(outcome.item, outcome.error)


def _make_outputs(
    maker: OutputMaker, source: Source, image: np.ndarray
) -> dict[Output, np.ndarray]:
    """Make the outputs of a photo; if memory runs out, try again at half the size, and say so.

    Raises:
        GFMError: There is too little memory even for a small size.
    """
    try:
        return maker(image)
    except GFMError as error:
        if error.__cause__ is None or not lacks_memory(error.__cause__):
            raise
        height, width = image.shape[:2]
        size = min(limit_size(height, width, maker.predictor.max_size)) // 2
        if size < _LEAST_SIZE:
            raise
    # Outside the handler, where the error would keep its tensors alive.
    console().print(f"{source}: too little free memory; trying --max-size {size}")
    predictor = maker.predictor
    before, predictor.max_size = predictor.max_size, size
    try:
        return _make_outputs(maker, source, image)
    finally:
        predictor.max_size = before


def _predict_clip(
    maker: OutputMaker, source: Source, results: ResultFiles, summary: _Summary
) -> None:
    from gfm.inference.video.clips import predict_clip  # needs PyAV

    try:
        targets = results.to_write(source)
        summary.computing += predict_clip(maker, source.path, targets, results.clips)
    except WriteError:
        raise  # the next clip would fail in the same way
    except Exception as error:  # such as frames too large for the device; continue with the others
        summary.add_failure(source, one_line(error))
