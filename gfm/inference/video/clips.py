"""Mattes a clip, while threads decode the next frames and encode the previous ones."""

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

MakeOutputs = Callable[[np.ndarray, Smoother | None], Mapping[Output, np.ndarray]]
"""Makes the outputs for a frame, as :class:`gfm.inference.outputs.OutputMaker` does."""


def predict_clip(
    make_outputs: MakeOutputs, path: Path, targets: Mapping[Output, Path], options: ClipOptions
) -> float:
    """Matte a clip and write the results atomically, with only a few frames in memory.

    Returns:
        Seconds spent computing, which excludes waiting for frames to be read and written.

    Raises:
        GFMError: The clip is damaged, or a result cannot be encoded.
        WriteError: The disk is full, or a folder is missing or read-only.
    """
    smoother = Smoother() if options.is_smooth else None
    computing = 0.0
    with ExitStack() as stack:
        clip = stack.enter_context(closing(Clip(path)))
        write = {}
        for output, target in targets.items():
            writer = stack.enter_context(open_writer(target, options.format_of(output), clip))
            write[output] = stack.enter_context(write_behind(writer.write))
        frames = stack.enter_context(closing(read_ahead(clip.frames())))
        progress = stack.enter_context(Progress(clip.num_frames, "frame"))
        for frame in frames:
            start = time.perf_counter()
            arrays = make_outputs(frame.image, smoother)
            computing += time.perf_counter() - start
            for output in targets:
                write[output](arrays[output], frame.time)
            progress.advance()
    return computing
