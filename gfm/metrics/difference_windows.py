"""The windows of an image in which two mattes differ: elsewhere they have no error."""

from collections.abc import Iterator

import numpy as np

Window = tuple[slice, slice]
"""Rows and columns of an image."""

_ROWS = 128  # the temporary arrays of this many rows fit into a CPU cache
_GAP = 64  # a wider gap between columns that differ splits a window


def differing_windows(preds: np.ndarray, target: np.ndarray, margin: int = 0) -> Iterator[Window]:
    """Yield disjoint windows that cover all pixels at which two H×W mattes differ.

    They also cover ``margin`` pixels, at most 31, around each of these.
    """
    height, width = preds.shape
    differs = preds != target
    for top in range(0, height, _ROWS):
        bottom = min(top + _ROWS, height)
        near = differs[max(top - margin, 0) : bottom + margin].any(axis=0)
        columns = np.flatnonzero(near)
        for run in np.split(columns, np.flatnonzero(np.diff(columns) > _GAP) + 1):
            if len(run):
                left, right = int(run[0]) - margin, int(run[-1]) + 1 + margin
                yield np.s_[top:bottom, max(left, 0) : min(right, width)]


def enlarge_window(window: Window, margin: int) -> tuple[Window, Window]:
    """Return the window enlarged by a margin, and the original window relative to it.

    The enlarged one starts inside the image, but its slices may end beyond it.
    """
    outer, inner = [], []
    for side in window:
        start = max(side.start - margin, 0)
        outer.append(slice(start, side.stop + margin))
        inner.append(slice(side.start - start, side.stop - start))
    return (outer[0], outer[1]), (inner[0], inner[1])
