"""In which formats a clip's results are written."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gfm.errors import GFMError

SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v")
"""Of files that count as clips."""


@dataclass(frozen=True)
class VideoFormat:
    """How frames become a file.

    Attributes:
        title: for people.
        suffix: what the file's name ends with.
        container: FFmpeg's name of the file format; empty for a folder of PNG files.
        codec: FFmpeg's name of the encoder.
        pixels: FFmpeg's name of the pixels that are encoded.
        deep_pixels: of mattes of 16 bits; empty where the format has none.
        options: of the encoder.
        audio_codec: encoder for sound that the container does not take as it is.
        refused_audio: what it does not take, beyond what FFmpeg says beforehand.
        has_even_sides: Whether sides have to be even, as those of halved colours are.
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
    # Every frame by itself (g), so that an editor jumps to any of them, and with a checksum.
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
"""Of mattes, and of the maps of the two decoders."""

CUTOUT_FORMATS = {
    "prores": VideoFormat(
        *("ProRes 4444", ".mov", "mov", "prores_ks", "yuva444p10le", ""),
        {"profile": "4444", "alpha_bits": "16", "vendor": "apl0"},
        refused_audio=("opus", "flac"),
    ),
    # Without auto-alt-ref 0 libvpx refuses opacity.
    "vp9": VideoFormat(
        *("VP9", ".webm", "webm", "libvpx-vp9", "yuva420p", ""),
        {"crf": "20", "b": "0", "cpu-used": "5", "row-mt": "1", "auto-alt-ref": "0"},
        audio_codec="libopus",
    ),
    "png": VideoFormat("PNG", "_frames"),
}
"""Of cut-outs."""


@dataclass(frozen=True)
class ClipOptions:
    """How clips are treated.

    Attributes:
        alpha: format of mattes, of :data:`ALPHA_FORMATS`.
        cutout: format of cut-outs, of :data:`CUTOUT_FORMATS`.
        is_smooth: Whether mattes are smoothed over time.
    """

    alpha: str = "ffv1"
    cutout: str = "prores"
    is_smooth: bool = False

    def format_of(self, output: str) -> VideoFormat:
        """Of ``alpha``, ``cutout``, ``composite``, ``glance`` or ``focus``."""
        if output == "cutout":
            return CUTOUT_FORMATS[self.cutout]
        return ALPHA_FORMATS["h264" if output == "composite" else self.alpha]

    def check(self, bits: int) -> None:
        """Raises a GFMError if mattes of that many bits cannot be written."""
        chosen = ALPHA_FORMATS[self.alpha]
        if bits == 16 and not chosen.deep_pixels:
            raise GFMError(f"--bits 16: {chosen.title} has 8; choose --alpha-video ffv1")
