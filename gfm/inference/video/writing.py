"""Writes video files and folders of PNG, which get their names only when they are complete."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from gfm.data.images import write_png
from gfm.errors import GFMError, WriteError
from gfm.inference.video.audio import Sound
from gfm.inference.video.codecs import VideoFormat
from gfm.inference.video.reading import Clip
from gfm.system.extras import import_optional
from gfm.system.files import atomic_path, write_text

if TYPE_CHECKING:
    from av import VideoFrame, VideoStream
    from av.container import OutputContainer

TIMES = "timestamps.txt"
_FULL, _LIMITED, _BT709 = 2, 1, 1  # FFmpeg's numbers of ranges, and of a colour space


class Writer(Protocol):
    """Takes the frames of one result in order."""

    def write(self, picture: np.ndarray, time: int) -> None:
        """Write a picture, H×W(×C), shown at ``time`` in units of the clip's ``time_base``."""


@contextmanager
def open_writer(path: Path, wanted: VideoFormat, clip: Clip) -> Iterator[Writer]:
    """Provide a writer with the times and the sound of a clip; its file is complete or absent.

    Args:
        path: File, or folder of PNG files.
        wanted: Format to write.
        clip: Clip from which the results are made.

    Raises:
        WriteError: The disk is full, or the folder cannot be written.
        GFMError: The sound of the clip is damaged.
    """
    if not wanted.container:
        with _folder_aside(path) as folder:
            frames = FrameFolder(folder, clip.time_base)
            yield frames
            frames.finish()
        return
    with atomic_path(path) as aside:
        video = VideoFile(path, aside, wanted, clip)
        try:
            yield video
            video.finish()
        finally:
            video.close()


class VideoFile:
    """A video file that is being written.

    Args:
        path: Final path of the file, for messages.
        aside: Path to which it is written.
        wanted: Format to write.
        clip: Clip from which the times and the sound are taken.
    """

    def __init__(self, path: Path, aside: Path, wanted: VideoFormat, clip: Clip) -> None:
        av = import_optional("av", "video", "video")
        self.path = path
        self.wanted = wanted
        self.clip = clip
        with _encoding(path):
            self.output: OutputContainer = av.open(str(aside), "w", format=wanted.container)
        self.stream: VideoStream | None = None
        self.sound: Sound | None = None

    def write(self, picture: np.ndarray, time: int) -> None:
        """See :class:`Writer`."""
        with _encoding(self.path):
            if self.stream is None:
                self.stream = self._open_stream(picture)
                self.sound = Sound(self.clip.path, self.output, self.wanted)
            frame = self._frame(picture)
            frame.pts, frame.time_base = time, self.clip.time_base
            self.output.mux(self.stream.encode(frame))
            if self.sound is not None:
                self.sound.write_until(float(time * self.clip.time_base))

    def _open_stream(self, picture: np.ndarray) -> "VideoStream":
        wanted = self.wanted
        options = dict(wanted.options)
        stream: VideoStream = self.output.add_stream(wanted.codec, self.clip.rate, options)  # type: ignore[assignment]
        height, width = _even(picture).shape[:2] if wanted.has_even_sides else picture.shape[:2]
        stream.height, stream.width = height, width
        stream.pix_fmt = wanted.deep_pixels if picture.dtype == np.uint16 else wanted.pixels
        # In the clip's own unit of time, so that irregular frame times are kept.
        stream.time_base = stream.codec_context.time_base = self.clip.time_base
        stream.codec_context.sample_aspect_ratio = self.clip.pixel_aspect
        is_grey = stream.pix_fmt.startswith("gray")
        stream.color_range = _FULL if is_grey else _LIMITED
        if not is_grey:
            stream.colorspace = stream.color_primaries = stream.color_trc = _BT709
        stream.codec_context.thread_type = "AUTO"
        return stream

    def _frame(self, picture: np.ndarray) -> "VideoFrame":
        av = import_optional("av", "video", "video")
        picture = _even(picture) if self.wanted.has_even_sides else picture
        channels = picture.shape[2] if picture.ndim == 3 else 1
        kind = {1: "gray", 3: "rgb24", 4: "rgba"}[channels]
        kind = "gray16le" if picture.dtype == np.uint16 else kind
        frame: VideoFrame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), kind)
        frame.color_range = _FULL
        if self.stream is not None and self.stream.pix_fmt == kind:
            return frame
        # Grey values are exact only if no colour space is set, which they do not need.
        colours = None if channels == 1 else "ITU709"
        pixels = self.wanted.pixels
        return frame.reformat(format=pixels, dst_colorspace=colours, dst_color_range="MPEG")

    def finish(self) -> None:
        """Write the frames that the encoder still holds, and the rest of the sound."""
        with _encoding(self.path):
            if self.stream is not None:
                self.output.mux(self.stream.encode(None))
            if self.sound is not None:
                self.sound.finish()
            self.output.close()

    def close(self) -> None:
        """Close the files, even if writing has failed."""
        if self.sound is not None:
            self.sound.close()
        with suppress(Exception):  # the earlier error is the one to report
            self.output.close()


class FrameFolder:
    """A folder of PNG files that is being written: ``000001.png`` and so on, and their times.

    ``timestamps.txt`` has a time in milliseconds for each file, in the format of mkvmerge.

    Args:
        folder: Existing folder.
        time_base: Seconds per unit of time.
    """

    def __init__(self, folder: Path, time_base: Fraction) -> None:
        self.folder = folder
        self.time_base = time_base
        self.times: list[str] = ["# timestamp format v2"]

    def write(self, picture: np.ndarray, time: int) -> None:
        """See :class:`Writer`."""
        write_png(self.folder / f"{len(self.times):06d}.png", picture)
        self.times.append(f"{float(1000 * time * self.time_base):.6f}")

    def finish(self) -> None:
        """Write the times."""
        write_text(self.folder / TIMES, "\n".join(self.times) + "\n")


def _even(picture: np.ndarray) -> np.ndarray:
    """Return a picture with even sides, by repeating the last row or column if needed."""
    height, width = picture.shape[:2]
    rest = [(0, 0)] * (picture.ndim - 2)
    if height % 2 or width % 2:
        picture = np.pad(picture, [(0, height % 2), (0, width % 2), *rest], mode="edge")
    return picture


@contextmanager
def _folder_aside(path: Path) -> Iterator[Path]:
    """Provide a hidden folder beside ``path`` that is renamed to ``path`` at the end.

    Raises:
        WriteError: The folder cannot be written, or ``path`` exists but holds no such frames.
    """
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    if path.exists() and not (path / TIMES).is_file():
        raise WriteError(f"cannot write {path}: it holds other files; move them away")
    try:
        aside.mkdir()
        yield aside
        if path.exists():
            old = aside.with_name(f"{aside.name[:-4]}.old.tmp")
            path.rename(old)
            os.replace(aside, path)
            shutil.rmtree(old)
        else:
            os.replace(aside, path)
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def _encoding(path: Path) -> Iterator[None]:
    """Turn errors of PyAV into a GFMError that names the file."""
    av = import_optional("av", "video", "video")
    try:
        yield
    except av.FFmpegError as error:
        text = f"cannot write {path}: {error.strerror or error}"
        raise (WriteError(text) if isinstance(error, OSError) else GFMError(text)) from error
