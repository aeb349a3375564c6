"""Reads the upright frames of a clip and their timestamps."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av import VideoFrame, VideoStream
from av.container import InputContainer
from av.stream import Stream

from gfm.errors import GFMError
from gfm.inference.video.frame_colours import RgbConverter
from gfm.system.console import console
from gfm.system.files import check_file

_DURATION_TOLERANCE = Fraction(1, 4)  # seconds by which a clip may be shorter than its header says

_COUNT_FROM_ZERO = ("matroska,webm", "asf")  # formats whose duration counts from time 0


class Frame(NamedTuple):
    """A frame of a clip.

    Attributes:
        image: H×W×3 RGB, uint8, upright.
        time: Presentation timestamp in units of the clip's ``time_base``, from its ``start``.
    """

    image: np.ndarray
    time: int


@contextmanager
def translate_read_errors(path: Path) -> Iterator[None]:
    """Turn PyAV's errors into a GFMError that names the clip."""
    try:
        yield
    except av.FFmpegError as error:
        text = (error.strerror or str(error)).rstrip(".")
        if isinstance(error, av.InvalidDataError):
            text = "not a clip, or damaged"
        raise GFMError(f"cannot read {path}: {text}") from error


class Clip:
    """An open clip.

    Attributes:
        rate: Average frames per second.
        time_base: Seconds per unit of timestamps.
        start: Time in seconds at which the clip starts; transport streams of cameras start at any
            time.
        num_frames: Number of frames according to the header, or estimated from the duration;
            ``None`` if both are unknown.
        pixel_aspect: Width of an upright pixel divided by its height, once a frame has been read.

    Raises:
        GFMError: The file is missing, not a regular file, damaged, a picture, or has no video.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        check_file(path)
        # Some versions of torchvision, such as 0.22, forward FFmpeg's messages to Python, which can
        # deadlock: closing the clip waits for a decoder thread that waits for the GIL.
        av.logging.set_level(None)
        with translate_read_errors(path):
            # Absolute, because FFmpeg takes the start of a name like 12:30.mp4 for a protocol.
            self._container: InputContainer = av.open(str(path.absolute()))
        try:
            stream = self._stream = _find_video(self._container, path)
        except GFMError:
            self._container.close()
            raise
        if not all(is_known(audio) for audio in self._container.streams.audio):
            text = f"warning: {path}: skipped an audio track that FFmpeg cannot decode"
            console().print(text)
        stream.thread_type = "AUTO"
        self.rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
        self.time_base = Fraction(stream.time_base or 1 / self.rate)
        self.pixel_aspect = Fraction(stream.sample_aspect_ratio or 1)
        self._start = Fraction(self._container.start_time or 0, 1_000_000)
        self.start = max(self._start, Fraction(0))  # players skip audio before 0
        self._seconds = None  # of the longest stream, which may be audio
        if self._container.duration is not None:
            self._seconds = Fraction(self._container.duration, 1_000_000)
            if self._container.format.name in _COUNT_FROM_ZERO:
                self._seconds -= self._start
        num_frames = stream.frames or round(float((self._seconds or 0) * self.rate))
        self.num_frames = num_frames if num_frames > 0 else None

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def frames(self) -> Iterator[Frame]:
        """Yield all frames in presentation order, with increasing timestamps.

        Raises:
            GFMError: The file is damaged or truncated.
        """
        last: int | None = None
        start = round(self.start / self.time_base)
        step = max(round(1 / (self.rate * self.time_base)), 1)
        shape, to_rgb = None, RgbConverter(self.path)
        for decoded in self._decode():
            time = None if decoded.pts is None else decoded.pts - start
            if last is not None and (time is None or time <= last):
                time = last + (step if time is None else 1)
            last = time or 0
            turns = round(decoded.rotation / 90)  # both counterclockwise
            image = np.ascontiguousarray(np.rot90(to_rgb(decoded), turns))
            if shape is None and turns % 2:
                self.pixel_aspect = 1 / self.pixel_aspect
            if shape is not None and image.shape != shape:
                raise GFMError(f"cannot read {self.path}: its frames differ in size")
            shape = image.shape
            yield Frame(image, last)
        if shape is None:
            raise GFMError(f"cannot read {self.path}: it contains no frames")

    def _decode(self) -> Iterator[VideoFrame]:
        end = Fraction(0)
        with translate_read_errors(self.path):
            # All streams are read, because the duration is that of the longest.
            for packet in self._container.demux():
                if packet.pts is not None and packet.time_base is not None:
                    end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
                if packet.stream is not self._stream:
                    continue
                for frame in self._stream.decode(packet):
                    if packet.is_corrupt or frame.is_corrupt:
                        time = _format_seconds(frame.time)
                        raise GFMError(f"cannot read {self.path}: damaged after {time}")
                    yield frame
        end -= self._start
        tolerance = 2 / self.rate + _DURATION_TOLERANCE
        if self._seconds is not None and end < self._seconds - tolerance:
            raise GFMError(
                f"cannot read {self.path}: it ends after {_format_seconds(end)} of "
                f"{_format_seconds(self._seconds)}; copy it again"
            )


def is_known(stream: Stream) -> bool:
    """Return whether FFmpeg can decode a stream, unlike the spatial audio of phones."""
    return getattr(stream, "codec_context", None) is not None


def _find_video(container: InputContainer, path: Path) -> VideoStream:
    if container.format.name.endswith("_pipe"):
        raise GFMError(f"cannot read {path}: a picture, not a clip; rename it")
    for stream in container.streams.video:
        is_cover = stream.disposition & type(stream.disposition).attached_pic  # of a song
        if is_known(stream) and not is_cover:
            return stream
    raise GFMError(f"cannot read {path}: it contains no video")


def _format_seconds(seconds: float | Fraction | None) -> str:
    return f"{max(float(seconds or 0), 0):.1f} s"
