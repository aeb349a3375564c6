"""Copies the sound of a clip to the results."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gfm.inference.video.codecs import VideoFormat
from gfm.inference.video.reading import reading
from gfm.system.extras import import_optional

if TYPE_CHECKING:
    from av import AudioStream
    from av.container import InputContainer, OutputContainer

_OPUS_RATE = 48_000  # samples per second; Opus accepts no other common rate
# Containers in which sound packets before time 0 would delay all pictures.
_FROM_ZERO = ("matroska", "webm")


class Sound:
    """Copies the sound of a clip packet by packet, and encodes it again if that is necessary.

    Args:
        clip: File with the sound.
        output: File to write to, which is still empty.
        wanted: Format of ``output``.
    """

    def __init__(self, clip: Path, output: "OutputContainer", wanted: VideoFormat) -> None:
        av = import_optional("av", "video", "video")
        self.clip = clip
        self.output = output
        with reading(clip):
            self.container: InputContainer = av.open(str(clip))
            streams = self.container.streams.audio
            self.tracks = {s.index: _track(s, output, wanted) for s in streams}
            self.packets = self.container.demux(*streams) if streams else iter(())
        self._starts_at_zero = wanted.container in _FROM_ZERO
        self._waiting: Any = None

    def write_until(self, seconds: float) -> None:
        """Write the sound up to a time, so that pictures and sound are interleaved."""
        while (packet := self._next()) is not None:
            if packet.dts is not None and packet.dts * packet.time_base > seconds:
                self._waiting = packet
                return
            stream, is_copied = self.tracks[packet.stream.index]
            if not is_copied:
                with reading(self.clip):
                    frames = packet.decode()
                for frame in frames:
                    self.output.mux(stream.encode(frame))
            elif packet.dts is not None and not (self._starts_at_zero and packet.dts < 0):
                packet.stream = stream
                self.output.mux(packet)

    def _next(self) -> Any:
        packet, self._waiting = self._waiting, None
        with reading(self.clip):
            return packet or next(self.packets, None)

    def finish(self) -> None:
        """Write the rest of the sound."""
        self.write_until(math.inf)
        for stream, is_copied in self.tracks.values():
            if not is_copied:
                self.output.mux(stream.encode(None))

    def close(self) -> None:
        """Close the clip."""
        self.container.close()


def _track(
    stream: "AudioStream", output: "OutputContainer", wanted: VideoFormat
) -> tuple["AudioStream", bool]:
    """Return the output stream for a stream, and whether packets are copied to it."""
    name = stream.codec_context.codec.canonical_name
    if name in output.supported_codecs and name not in wanted.refused_audio:
        return output.add_stream_from_template(stream), True
    codec = wanted.audio_codec
    rate = _OPUS_RATE if codec == "libopus" else stream.rate
    encoder: AudioStream = output.add_stream(codec, rate=rate, layout=stream.layout.name)  # type: ignore[assignment]
    return encoder, False
