"""Splits large pictures into strips of rows, so that processing them takes little memory."""

from collections.abc import Iterator

_STRIP_PIXELS = 4_000_000


def cut_strips(
    start: int, stop: int, width: int, multiple: int = 1, num_pixels: int | None = None
) -> Iterator[slice]:
    """Yield a slice of rows for each strip between the rows ``start`` and ``stop`` (exclusive).

    Args:
        start: First row.
        stop: Row after the last.
        width: Pixels per row.
        multiple: Factor of the height of every strip except the last.
        num_pixels: Maximum size of a strip, unless ``multiple`` rows exceed it; by default 4
            million pixels.
    """
    height = max((num_pixels or _STRIP_PIXELS) // max(width, 1) // multiple, 1) * multiple
    for top in range(start, stop, height):
        yield slice(top, min(top + height, stop))
