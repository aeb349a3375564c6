"""Reads the frames of a clip, upright, with the times at which they are shown."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gfm.errors import GFMError
from gfm.system.extras import import_optional

if TYPE_CHECKING:
    from av import VideoFrame, VideoStream
    from av.container import InputContainer

_UNSPECIFIED = 2  # FFmpeg's number of a colour space that the file does not name
_SLACK = Fraction(1, 4)  # seconds by which the duration stated in a file may be wrong


class Frame(NamedTuple):
    """A picture of a clip.

    Attributes:
        image: H×W×3 RGB, uint8, upright.
        time: Time at which it is shown, in units of the clip's ``time_base``.
    """

    image: np.ndarray
    time: int


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn errors of PyAV into a GFMError that names the clip."""
    av = import_optional("av", "video", "video")
    try:
        yield
    except av.FFmpegError as error:
        text = (error.strerror or str(error)).rstrip(".")
        if isinstance(error, av.InvalidDataError):
            text = "not a clip, or damaged"
        raise GFMError(f"cannot read {path}: {text}") from error


class Clip:
    """An opened clip, which is a context manager.

    Args:
        path: File of the clip.

    Attributes:
        rate: Frames per second on average.
        time_base: Seconds per unit of time.
        num_frames: Number of frames as stated in the file, or else estimated from its duration;
            ``None`` if the file states neither.
        pixel_aspect: Width of an upright pixel divided by its height.

    Raises:
        GFMError: The file is missing, damaged, a picture or without video, or PyAV is not
            installed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        av = import_optional("av", "video", "video")
        # Some versions of torchvision, such as 0.22, send FFmpeg's messages to Python. A thread of
        # the decoder would wait for Python with one, and Python for the thread, to close the clip.
        av.logging.set_level(None)
        with reading(path):
            self._container: InputContainer = av.open(str(path))
        if self._container.format.name.endswith("_pipe"):
            self._container.close()
            raise GFMError(f"cannot read {path}: a picture, not a clip; rename it")
        # The cover picture of a song would count as video.
        streams = [
            stream
            for stream in self._container.streams.video
            if not stream.disposition & type(stream.disposition).attached_pic
        ]
        if not streams:
            self._container.close()
            raise GFMError(f"cannot read {path}: it holds no video")
        self._stream: VideoStream = streams[0]
        self._stream.thread_type = "AUTO"
        self.rate = Fraction(self._stream.average_rate or self._stream.guessed_rate or 25)
        self.time_base = Fraction(self._stream.time_base or 1 / self.rate)
        self.pixel_aspect = Fraction(self._stream.sample_aspect_ratio or 1)
        self._seconds = self._duration()
        count = self._stream.frames or round(float((self._seconds or 0) * self.rate))
        self.num_frames = count or None

    def __enter__(self) -> "Clip":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._container.close()

    def _duration(self) -> Fraction | None:
        """Return the duration in seconds that the file states, which includes the sound."""
        duration = self._container.duration
        return None if duration is None else Fraction(duration, 1_000_000)

    def frames(self) -> Iterator[Frame]:
        """Yield all frames in the order in which they are shown, at increasing times.

        Raises:
            GFMError: The file is damaged or ends early.
        """
        last: int | None = None
        step = max(round(1 / (self.rate * self.time_base)), 1)
        shape = None
        for decoded in self._decoded():
            time = decoded.pts
            if last is not None and (time is None or time <= last):
                time = last + (step if time is None else 1)
            last = time or 0
            image = _upright(_rgb(decoded), _display_matrix(decoded))
            if shape is not None and image.shape != shape:
                raise GFMError(f"cannot read {self.path}: its pictures change their size")
            shape = image.shape
            yield Frame(image, last)
        if shape is None:
            raise GFMError(f"cannot read {self.path}: it holds no frames")

    def _decoded(self) -> "Iterator[VideoFrame]":
        end = Fraction(0)
        with reading(self.path):
            # The sound is read as well, because the stated duration is that of the longest stream.
            for packet in self._container.demux():
                if packet.pts is not None and packet.time_base is not None:
                    end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
                if packet.stream is not self._stream:
                    continue
                for frame in self._stream.decode(packet):
                    if packet.is_corrupt or frame.is_corrupt:
                        raise GFMError(f"cannot read {self.path}: damaged after {_at(frame.time)}")
                    yield frame
        end -= Fraction(self._container.start_time or 0, 1_000_000)
        if self._seconds is not None and end < self._seconds - 2 / self.rate - _SLACK:
            raise GFMError(
                f"cannot read {self.path}: it ends after {_at(end)} of {_at(self._seconds)}; "
                "copy it again"
            )


def _at(seconds: float | Fraction | None) -> str:
    return f"{max(float(seconds or 0), 0):.1f} s"


def _rgb(frame: "VideoFrame") -> np.ndarray:
    # If the file does not say, HD counts as BT.709 and smaller frames as BT.601, as in players.
    guess = "ITU709" if min(frame.width, frame.height) >= 720 else "ITU601"
    colours = guess if frame.colorspace == _UNSPECIFIED else None
    return frame.to_ndarray(format="rgb24", src_colorspace=colours)


def _display_matrix(frame: "VideoFrame") -> np.ndarray:
    """Return the 3×3 matrix that turns the picture; its columns are what x, y and 1 become."""
    side_data: Any = frame.side_data
    try:
        matrix = side_data["DISPLAYMATRIX"]
    except KeyError:
        return np.eye(3)
    return np.frombuffer(bytes(matrix), np.int32).reshape(3, 3)


def _upright(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Turn a picture by multiples of 90 degrees, and mirror it, as a display matrix says.

    The pixel (x, y) is shown at (a·x + c·y, b·x + d·y), where the first row of the matrix begins
    with a, b, and the second with c, d.
    """
    (a, b), (c, d) = matrix[0][:2], matrix[1][:2]
    if abs(int(a)) + abs(int(d)) < abs(int(b)) + abs(int(c)):
        image, a, d = image.swapaxes(0, 1), c, b
    if d < 0:
        image = image[::-1]
    if a < 0:
        image = image[:, ::-1]
    return np.ascontiguousarray(image)
