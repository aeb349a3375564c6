"""Writes video files and folders of PNG atomically."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
import cv2
import numpy as np
from av import VideoFrame, VideoStream
from av.container import OutputContainer

from gfm.data.images import write_png
from gfm.errors import GFMError
from gfm.inference.video.audio import AudioCopier
from gfm.inference.video.codecs import TIMESTAMPS, VideoFormat
from gfm.inference.video.reading import Clip
from gfm.system.files import atomic_path, temporary_beside, write_error, write_text

_FULL, _LIMITED, _BT709 = 2, 1, 1  # FFmpeg's codes for colour ranges, and for a colour space


class Writer(Protocol):
    """Writes the frames of a result in order."""

    def write(self, picture: np.ndarray, time: int) -> None:
        """Write H×W(×C) with a timestamp in units of the clip's ``time_base``."""


@contextmanager
def open_writer(path: Path, video_format: VideoFormat, clip: Clip) -> Iterator[Writer]:
    """Provide a writer for a file, or a folder of PNG files, made from ``clip``.

    Raises:
        WriteError: The disk is full, or the folder cannot be written.
        GFMError: The audio of the clip is damaged.
    """
    if not video_format.container:
        with _atomic_folder(path) as folder:
            frames = FrameFolderWriter(folder, clip.time_base)
            yield frames
            frames.finish()
        return
    with atomic_path(path) as temporary:
        video = VideoWriter(path, temporary, video_format, clip)
        try:
            yield video
            video.finish()
        finally:
            video.close()


class VideoWriter:
    """Writes a video with the timestamps and audio of ``clip``, counted from its start.

    The video is written to ``temporary``; messages name the final ``path``.
    """

    def __init__(self, path: Path, temporary: Path, video_format: VideoFormat, clip: Clip) -> None:
        self.path = path
        self.temporary = temporary
        self.format = video_format
        self.clip = clip
        with _translate_write_errors(path):
            name, container = str(temporary.absolute()), video_format.container
            self.output: OutputContainer = av.open(name, "w", format=container)
        self.stream: VideoStream | None = None
        self.audio: AudioCopier | None = None

    def write(self, picture: np.ndarray, time: int) -> None:
        """See :class:`Writer`."""
        picture = _pad_to_even(picture) if self.format.has_even_sides else picture
        with _translate_write_errors(self.path):
            if self.stream is None:
                self.stream = self._open_stream(picture)
                self.audio = AudioCopier(self.clip, self.output, self.format)
            frame = self._make_frame(picture, self.stream)
            frame.pts, frame.time_base = time, self.clip.time_base
            self.output.mux(self.stream.encode(frame))
            if self.audio is not None:
                self.audio.write_until(float(time * self.clip.time_base))
        # Other commands remove temporary files that look abandoned, and the muxer may buffer the
        # frames of a slow clip for longer than that. The file exists only after its first write.
        with suppress(OSError):
            os.utime(self.temporary)

    def _open_stream(self, picture: np.ndarray) -> VideoStream:
        codec, options = self.format.codec, dict(self.format.options)
        if 1 in picture.shape[:2] and "slices" in options:
            options["slices"] = "1"  # FFV1 divides both sides between its slices
        stream: VideoStream = self.output.add_stream(codec, self.clip.rate, options)  # type: ignore[assignment]
        stream.height, stream.width = picture.shape[:2]
        is_16_bit = picture.dtype == np.uint16
        stream.pix_fmt = self.format.pixel_format_16 if is_16_bit else self.format.pixel_format
        # The clip's time base preserves irregular timestamps.
        stream.time_base = stream.codec_context.time_base = self.clip.time_base
        stream.codec_context.sample_aspect_ratio = self.clip.pixel_aspect
        is_grey = stream.pix_fmt.startswith("gray")
        stream.color_range = _FULL if is_grey else _LIMITED
        if not is_grey:
            stream.colorspace = stream.color_primaries = stream.color_trc = _BT709
        stream.codec_context.thread_type = "AUTO"
        return stream

    def _make_frame(self, picture: np.ndarray, stream: VideoStream) -> VideoFrame:
        channels = picture.shape[2] if picture.ndim == 3 else 1
        pixel_format = {1: "gray", 3: "rgb24", 4: "rgba"}[channels]
        pixel_format = "gray16le" if picture.dtype == np.uint16 else pixel_format
        frame: VideoFrame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), pixel_format)
        frame.color_range = _FULL
        if stream.pix_fmt == pixel_format:
            return frame
        # Grey values need no colour space, and stay exact only without one.
        colorspace = None if channels == 1 else "ITU709"
        return frame.reformat(
            format=self.format.pixel_format, dst_colorspace=colorspace, dst_color_range="MPEG"
        )

    def finish(self) -> None:
        """Write the frames left in the encoder, and the rest of the audio."""
        with _translate_write_errors(self.path):
            if self.stream is not None:
                self.output.mux(self.stream.encode(None))
            if self.audio is not None:
                self.audio.finish()
            self.output.close()

    def close(self) -> None:
        """Close the files, even if writing has failed."""
        if self.audio is not None:
            self.audio.close()
        with suppress(Exception):  # an earlier error is the one to report
            self.output.close()


class FrameFolderWriter:
    """Writes a folder of PNG files, ``000001.png`` and so on.

    Their timestamps in milliseconds are in ``timestamps.txt``, in the format of mkvmerge.
    """

    def __init__(self, folder: Path, time_base: Fraction) -> None:
        self.folder = folder
        self.time_base = time_base
        self.lines = ["# timestamp format v2"]

    def write(self, picture: np.ndarray, time: int) -> None:
        """See :class:`Writer`."""
        write_png(self.folder / f"{len(self.lines):06d}.png", picture)
        self.lines.append(f"{float(1000 * time * self.time_base):.6f}")

    def finish(self) -> None:
        """Write the timestamps."""
        write_text(self.folder / TIMESTAMPS, "\n".join(self.lines) + "\n")


def _pad_to_even(picture: np.ndarray) -> np.ndarray:
    """Repeat the last row or column of a picture if its height or width is odd."""
    bottom, right = (side % 2 for side in picture.shape[:2])
    return cv2.copyMakeBorder(picture, 0, bottom, 0, right, cv2.BORDER_REPLICATE)


@contextmanager
def _atomic_folder(path: Path) -> Iterator[Path]:
    """Provide a hidden folder beside ``path`` that is renamed to ``path`` at the end.

    Raises:
        WriteError: The folder cannot be written.
        GFMError: ``path`` exists but is not such a folder, or its name is too long.
    """
    temporary, old = temporary_beside(path), temporary_beside(path)
    if os.path.exists(path) and not (path / TIMESTAMPS).is_file():
        raise GFMError(f"cannot write {path}: it contains other files; move them away")
    try:
        temporary.mkdir()
        yield temporary
        if path.exists():  # a folder cannot replace a non-empty one
            path.rename(old)
            os.replace(temporary, path)
            shutil.rmtree(old)
        else:
            os.replace(temporary, path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _translate_write_errors(path: Path) -> Iterator[None]:
    """Turn PyAV's errors into a GFMError that names the file."""
    try:
        yield
    except av.FFmpegError as error:
        if isinstance(error, OSError):
            raise write_error(path, error) from error
        raise GFMError(f"cannot write {path}: {error.strerror or error}") from error
