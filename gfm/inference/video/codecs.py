"""The formats in which the results for a clip can be written."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gfm.errors import GFMError

SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v")
"""Suffixes of files that count as clips."""


@dataclass(frozen=True)
class VideoFormat:
    """A video format.

    Attributes:
        title: Name for people.
        suffix: Ending of the file's name.
        container: FFmpeg's name of the file format; empty for a folder of PNG files.
        codec: FFmpeg's name of the encoder.
        pixels: FFmpeg's name of the pixel format.
        deep_pixels: Pixel format of 16-bit mattes; empty if there is none.
        options: Options of the encoder.
        audio_codec: Encoder for sound that the container cannot hold as it is.
        refused_audio: Audio codecs that the container cannot hold although FFmpeg lists them.
        has_even_sides: Whether sides have to be even, because colours have half the resolution.
    """

    title: str
    suffix: str
    container: str = ""
    codec: str = ""
    pixels: str = ""
    deep_pixels: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    audio_codec: str = "aac"
    refused_audio: tuple[str, ...] = ()
    has_even_sides: bool = False


ALPHA_FORMATS = {
    # Every frame is independent (g), so that an editor can jump to any of them, and has a checksum.
    "ffv1": VideoFormat(
        *("FFV1", ".mkv", "matroska", "ffv1", "gray", "gray16le"),
        {"level": "3", "g": "1", "slices": "4", "slicecrc": "1"},
    ),
    "h264": VideoFormat(
        *("H.264", ".mp4", "mp4", "libx264", "yuv420p", ""),
        {"crf": "16", "preset": "fast"},
        has_even_sides=True,
    ),
}
"""Formats of mattes, and of the outputs of the two decoders."""

CUTOUT_FORMATS = {
    "prores": VideoFormat(
        *("ProRes 4444", ".mov", "mov", "prores_ks", "yuva444p10le", ""),
        {"profile": "4444", "alpha_bits": "16", "vendor": "apl0"},
        refused_audio=("opus", "flac"),
    ),
    # libvpx encodes opacity only with auto-alt-ref 0.
    "vp9": VideoFormat(
        *("VP9", ".webm", "webm", "libvpx-vp9", "yuva420p", ""),
        {"crf": "20", "b": "0", "cpu-used": "5", "row-mt": "1", "auto-alt-ref": "0"},
        audio_codec="libopus",
    ),
    "png": VideoFormat("PNG", "_frames"),
}
"""Formats of cut-outs."""


@dataclass(frozen=True)
class ClipOptions:
    """Options for clips.

    Attributes:
        alpha: Format of mattes, one of :data:`ALPHA_FORMATS`.
        cutout: Format of cut-outs, one of :data:`CUTOUT_FORMATS`.
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
        """Check that mattes of 8 or 16 bits can be written.

        Raises:
            GFMError: The format has no 16 bits.
        """
        chosen = ALPHA_FORMATS[self.alpha]
        if bits == 16 and not chosen.deep_pixels:
            raise GFMError(f"--bits 16: {chosen.title} has 8; choose --alpha-video ffv1")
