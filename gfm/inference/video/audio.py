"""Copies the audio of a clip to the results."""

import math
from collections.abc import Iterator
from typing import Any

import av
from av import AudioStream
from av.container import InputContainer, OutputContainer

from gfm.inference.video.codecs import VideoFormat
from gfm.inference.video.reading import Clip, is_known, translate_read_errors

_COMMON_RATE = 48_000  # samples per second; used where an encoder does not support the clip's
# Layouts that both encoders support, by number of channels. Opus rejects 5.1(side), the layout of
# AC-3, and AAC rejects unspecified layouts, such as those of AVI.
_LAYOUTS = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")
# Containers in which audio packets before time 0 would delay the whole video.
_FROM_ZERO = ("matroska", "webm")


class AudioCopier:
    """Copies the audio of a clip packet by packet to an output that is still empty.

    Audio is re-encoded only if the format cannot contain it. Timestamps count from the start of the
    clip, like those of the frames.
    """

    def __init__(self, clip: Clip, output: OutputContainer, video_format: VideoFormat) -> None:
        self.clip = clip
        self.output = output
        with translate_read_errors(clip.path):
            self.container: InputContainer = av.open(str(clip.path.absolute()))
            streams = [s for s in self.container.streams.audio if is_known(s)]
            self.tracks = {s.index: _add_track(s, output, video_format) for s in streams}
        self._starts_at_zero = video_format.container in _FROM_ZERO
        self._packets = self._read_packets(streams)
        self._packet = next(self._packets, None)  # read, but not due yet

    def _read_packets(self, streams: list[AudioStream]) -> Iterator[Any]:
        """Yield the packets, with any timestamps counted from the start of the clip."""
        with translate_read_errors(self.clip.path):
            for packet in self.container.demux(*streams) if streams else ():
                for name in ("pts", "dts"):
                    if (time := getattr(packet, name)) is not None:
                        setattr(packet, name, time - round(self.clip.start / packet.time_base))
                yield packet

    def write_until(self, seconds: float) -> None:
        """Write the audio up to a time, so that it is interleaved with the frames."""
        while (packet := self._packet) is not None:
            if packet.dts is not None and packet.dts * packet.time_base > seconds:
                return
            stream, is_copied = self.tracks[packet.stream.index]
            if not is_copied:
                with translate_read_errors(self.clip.path):
                    frames = packet.decode()
                for frame in frames:
                    self.output.mux(stream.encode(frame))
            elif packet.dts is not None and not (self._starts_at_zero and packet.dts < 0):
                packet.stream = stream
                self.output.mux(packet)
            self._packet = next(self._packets, None)

    def finish(self) -> None:
        """Write the rest of the audio."""
        self.write_until(math.inf)
        for stream, is_copied in self.tracks.values():
            if not is_copied:
                self.output.mux(stream.encode(None))

    def close(self) -> None:
        """Close the clip."""
        self.container.close()


def _add_track(
    stream: AudioStream, output: OutputContainer, video_format: VideoFormat
) -> tuple[AudioStream, bool]:
    """Add an output stream for ``stream``; return it, and whether packets are copied to it."""
    name = stream.codec_context.codec.canonical_name
    if name in output.supported_codecs and not name.startswith(video_format.refused_audio):
        return output.add_stream_from_template(stream), True
    codec = video_format.audio_codec
    rates = av.Codec(codec, "w").audio_rates or ()
    rate = stream.rate if stream.rate in rates else _COMMON_RATE
    layout = _LAYOUTS[min(stream.layout.nb_channels, len(_LAYOUTS)) - 1]
    encoder: AudioStream = output.add_stream(codec, rate=rate, layout=layout)  # type: ignore[assignment]
    return encoder, False
