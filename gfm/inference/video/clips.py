"""Makes the results for a clip: decodes, mattes and encodes its frames at the same time."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np

from gfm.inference.outputs import Output
from gfm.inference.pipeline import read_ahead, write_behind
from gfm.inference.video.codecs import ClipOptions
from gfm.inference.video.reading import Clip
from gfm.inference.video.smoothing import Smoother
from gfm.inference.video.writing import open_writer
from gfm.system.progress import Progress

Make = Callable[[np.ndarray, Smoother | None], Mapping[Output, np.ndarray]]


def predict_clip(
    make: Make, path: Path, targets: Mapping[Output, Path], options: ClipOptions
) -> float:
    """Read a clip and write its results; each file is complete or absent.

    Only a few frames are in memory at a time, even if the clip is long.

    Args:
        make: Makes the results for a frame; see :class:`gfm.inference.outputs.OutputMaker`.
        path: File of the clip.
        targets: Path of each result.
        options: How results are made and written.

    Returns:
        Seconds spent computing, without the time spent waiting for frames to be read and written.

    Raises:
        GFMError: The clip is damaged, or a result cannot be encoded.
        WriteError: The disk is full, or a folder is missing or read-only.
    """
    smoother = Smoother() if options.is_smooth else None
    computing = 0.0
    with ExitStack() as stack:
        clip = stack.enter_context(Clip(path))
        write = {}
        for output, target in targets.items():
            opened = open_writer(target, options.format_of(output), clip)
            write[output] = stack.enter_context(write_behind(stack.enter_context(opened).write))
        frames = stack.enter_context(closing(read_ahead(clip.frames())))
        progress = stack.enter_context(Progress(clip.num_frames, "frame"))
        for frame in frames:
            start = time.perf_counter()
            made = make(frame.image, smoother)
            computing += time.perf_counter() - start
            for output, picture in made.items():
                write[output](picture, frame.time)
            progress.advance()
    return computing
