"""Converts decoded frames to 8-bit RGB in the colours of BT.709."""

from pathlib import Path
from typing import Any

import av
import numpy as np
from av import VideoFrame

from gfm.system.console import console

# FFmpeg's codes.
_UNSPECIFIED = 2
_PQ, _HLG = 16, 18  # transfer functions of HDR
_WIDE = (9, 11, 12)  # primaries: BT.2020, and P3 for cinemas and displays

# HDR (True) is tone-mapped. SDR colours (False) stay exact if they lie within BT.709.
_INTENTS = {True: "perceptual", False: "relative_colorimetric"}


class RgbConverter:
    """Converts the frames of a clip; HDR and wide gamuts use FFmpeg's filter ``scale``.

    FFmpeg before 7.1 cannot convert those: a warning names the clip, and the colours are read as
    BT.709.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._graph: Any = None
        self._can_convert = True

    def __call__(self, frame: VideoFrame) -> np.ndarray:
        """Return H×W×3, uint8."""
        is_hdr = frame.color_trc in (_PQ, _HLG)
        if self._can_convert and (is_hdr or frame.color_primaries in _WIDE):
            try:
                self._graph = self._graph or _make_graph(frame, _INTENTS[is_hdr])
                self._graph.push(frame)
                return self._graph.pull().to_ndarray()
            except (av.FFmpegError, ValueError):
                self._can_convert = False
                colours = "HDR" if is_hdr else "wide-gamut"
                text = f"warning: {self.path}: PyAV cannot convert {colours} colours: update av"
                console().print(text)
        # Like mpv, assume BT.709 for unspecified colours in HD, and BT.601 in frames no larger than
        # those of DVDs. A portrait clip is treated like a landscape one that is rotated later.
        short, long = sorted((frame.width, frame.height))
        guess = "ITU709" if long >= 1280 or short > 576 else "ITU601"
        space = guess if frame.colorspace == _UNSPECIFIED else None
        return frame.to_ndarray(format="rgb24", src_colorspace=space)


def _make_graph(frame: VideoFrame, intent: str) -> Any:
    """Build a filter graph that converts frames like the given one."""
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    scale = graph.add("scale", f"out_primaries=bt709:out_transfer=bt709:intent={intent}")
    nodes = (source, scale, graph.add("format", "rgb24"), graph.add("buffersink"))
    graph.link_nodes(*nodes).configure()
    return graph
