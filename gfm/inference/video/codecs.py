"""Formats for the results of a clip."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gfm.errors import GFMError

SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".mkv", ".webm", ".avi", ".wmv", ".asf"),
    *(".flv", ".f4v", ".mts", ".m2ts", ".ts", ".mpg", ".mpeg", ".m2v", ".vob", ".ogv", ".mxf"),
)
"""Suffixes of files that count as clips."""

TIMESTAMPS = "timestamps.txt"
"""File with the times of the frames in a folder of PNG files."""


@dataclass(frozen=True)
class VideoFormat:
    """A video format, in FFmpeg's terms.

    Attributes:
        suffix: End of the file name.
        container: File format; empty for a folder of PNG files.
        codec: Video encoder.
        pixel_format: Pixel format of the encoder.
        pixel_format_16: Pixel format of 16-bit mattes; empty if unsupported.
        options: Options of the encoder.
        audio_codec: Encoder for audio that cannot be copied to the container.
        refused_audio: Prefixes of the codecs that are not copied although FFmpeg lists them as
            supported.
        has_even_sides: Whether sides must be even, because chroma has half the resolution.
    """

    suffix: str
    container: str = ""
    codec: str = ""
    pixel_format: str = ""
    pixel_format_16: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    audio_codec: str = "aac"
    refused_audio: tuple[str, ...] = ()
    has_even_sides: bool = False


ALPHA_FORMATS = {
    # Every frame is a keyframe (g), so that editors can seek to any of them, and has a checksum.
    "ffv1": VideoFormat(
        suffix=".mkv",
        container="matroska",
        codec="ffv1",
        pixel_format="gray",
        pixel_format_16="gray16le",
        options={"level": "3", "g": "1", "slices": "4", "slicecrc": "1"},
    ),
    "h264": VideoFormat(
        suffix=".mp4",
        container="mp4",
        codec="libx264",
        pixel_format="yuv420p",
        options={"crf": "16", "preset": "fast"},
        refused_audio=("pcm_",),  # few players support PCM in MP4, and FFmpeg not every layout
        has_even_sides=True,
    ),
}
"""Formats of mattes, glance and focus."""

CUTOUT_FORMATS = {
    "prores": VideoFormat(
        suffix=".mov",
        container="mov",
        codec="prores_ks",
        pixel_format="yuva444p10le",
        options={"profile": "4444", "alpha_bits": "16", "vendor": "apl0"},
        refused_audio=("opus", "flac"),
    ),
    # libvpx encodes opacity only with auto-alt-ref 0.
    "vp9": VideoFormat(
        suffix=".webm",
        container="webm",
        codec="libvpx-vp9",
        pixel_format="yuva420p",
        options={"crf": "20", "b": "0", "cpu-used": "5", "row-mt": "1", "auto-alt-ref": "0"},
        audio_codec="libopus",
    ),
    "png": VideoFormat(suffix="_frames"),
}
"""Formats of cut-outs."""


@dataclass(frozen=True)
class ClipOptions:
    """Options for clips.

    Attributes:
        alpha: Key of :data:`ALPHA_FORMATS`.
        cutout: Key of :data:`CUTOUT_FORMATS`.
        is_smooth: Whether mattes are smoothed over time.
    """

    alpha: str = "ffv1"
    cutout: str = "prores"
    is_smooth: bool = False

    def format_of(self, output: str) -> VideoFormat:
        """Return the format of ``alpha``, ``cutout``, ``composite``, ``glance`` or ``focus``."""
        if output == "cutout":
            return CUTOUT_FORMATS[self.cutout]
        return ALPHA_FORMATS["h264" if output == "composite" else self.alpha]

    def check(self, bits: int) -> None:
        """Raise GFMError if the format of mattes does not support 8 or 16 ``bits``."""
        if bits == 16 and not ALPHA_FORMATS[self.alpha].pixel_format_16:
            raise GFMError(f"--bits 16: --alpha-video {self.alpha} has 8; choose ffv1")
