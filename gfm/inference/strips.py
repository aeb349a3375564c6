"""Cuts large pictures into strips that are computed one after another, which bounds the memory."""

from collections.abc import Iterator

_STRIP_PIXELS = 4_000_000


def cut_strips(top: int, bottom: int, width: int, unit: int = 1) -> Iterator[tuple[int, int]]:
    """Yield the first row of each strip, and the row after its last.

    Args:
        top: First row of the picture.
        bottom: Row after the last.
        width: Width of the picture in pixels.
        unit: Number of rows of which all strips but the last are a multiple.
    """
    step = max(_STRIP_PIXELS // max(width, 1) // unit, 1) * unit
    for start in range(top, bottom, step):
        yield start, min(start + step, bottom)
