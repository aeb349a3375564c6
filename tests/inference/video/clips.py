"""Draws, encodes and reads small clips."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

MILLISECOND = Fraction(1, 1000)
CODECS = {".webm": "libvpx-vp9", ".avi": "mpeg4", ".wmv": "wmv2", ".flv": "flv"}
KINDS = {".m4v": "mp4", ".mts": "mpegts", ".wmv": "asf"}
STEADY = [40 * i for i in range(8)]
"""Timestamps in milliseconds of 25 frames per second."""
UNSTEADY = [0, 40, 90, 120, 160, 200, 300, 320]


def draw_frames(num_frames: int = 8, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Draw a red mark in the upper left corner, and a white square that moves to the right."""
    frames = []
    for index in range(num_frames):
        frame = np.full((height, width, 3), 40, np.uint8)
        frame[:16, :24] = 220, 30, 30
        frame[24:40, 2 * index : 2 * index + 16] = 230
        frames.append(frame)
    return frames


def write_clip(
    path: Path,
    frames: Sequence[np.ndarray] | None = None,
    times: Sequence[int] = STEADY,
    rotation: int = 0,
    audio: str = "",
    codec: str = "",
    options: dict[str, str] | None = None,
    seconds: float | None = None,
    pixel_aspect: tuple[int, int] = (1, 1),
    layout: str = "stereo",
    rate: int = 48000,
) -> Path:
    """Write a clip of frames with timestamps in milliseconds.

    With an audio codec, it has a tone that lasts as long as the frames, or ``seconds``.
    """
    frames = draw_frames(len(times)) if frames is None else frames
    with av.open(str(path), "w", format=KINDS.get(path.suffix), options=options or {}) as output:
        stream = _add_video(output, path.suffix, codec, frames[0], rotation) if frames else None
        if stream:
            stream.codec_context.sample_aspect_ratio = Fraction(*pixel_aspect)
        tone = output.add_stream(audio, rate=rate, layout=layout) if audio else None
        for picture, time in zip(frames, times, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
            frame.pts, frame.time_base = time, MILLISECOND
            output.mux(stream.encode(frame))
        if stream:
            output.mux(stream.encode())
        if tone:
            _write_tone(output, tone, seconds or (times[-1] + 40) / 1000)
    return path


def _add_video(output: Any, suffix: str, codec: str, picture: np.ndarray, rotation: int) -> Any:
    stream = output.add_stream(codec or CODECS.get(suffix, "libx264"), rate=25)
    stream.height, stream.width = picture.shape[:2]
    stream.pix_fmt = "yuv420p"
    if suffix not in (".avi", ".wmv", ".flv"):
        stream.codec_context.time_base = MILLISECOND
    if rotation:
        stream.set_display_rotation(rotation)
    return stream


def _write_tone(output: Any, stream: Any, seconds: float) -> None:
    wave = 0.3 * np.sin(np.arange(round(stream.rate * seconds)) * 0.06)
    waves = np.stack([wave] * stream.layout.nb_channels).astype(np.float32)
    tone = av.AudioFrame.from_ndarray(waves, "fltp", stream.layout.name)
    tone.rate, tone.pts = stream.rate, 0
    output.mux(stream.encode(tone))
    output.mux(stream.encode())


def read_video(path: Path, kind: str = "rgb24") -> tuple[list[np.ndarray], list[float]]:
    """Return the frames, and their timestamps in seconds."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if path.suffix == ".webm":  # FFmpeg's VP9 decoder ignores opacity
            decoder = av.CodecContext.create("libvpx-vp9", "r")
            frames = [f for packet in container.demux(stream) for f in decoder.decode(packet)]
        else:
            frames = list(container.decode(stream))
        times = [float(frame.pts * stream.time_base) for frame in frames]
        return [frame.to_ndarray(format=kind) for frame in frames], times


def read_audio(path: Path) -> tuple[str, np.ndarray]:
    """Return the name of the audio codec, and the samples of the first channel."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
        waves = [
            f.to_ndarray()[0, :: 1 if f.format.is_planar else f.layout.nb_channels] for f in frames
        ]
        return container.streams.audio[0].codec_context.codec.canonical_name, np.concatenate(waves)
