"""Reads backgrounds resized to the size of a photo, computing only the part that is needed."""

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from gfm.data.images import read_image
from gfm.data.transforms import Crop, Window

_PARTS = 64  # pixel edges at most 1/64 of a pixel apart count as aligned


def read_background(
    path: Path, size: tuple[int, ...], crop: Crop, blur_size: int = 0, detail: float = 1
) -> np.ndarray:
    """Read the part of a background that a crop shows; see :class:`gfm.data.compositing.Parts`.

    Args:
        path: File of the picture.
        size: (height, width) to which the whole picture is resized.
        crop: Part to return.
        blur_size: Side of the box filter that will blur it, in pixels; 0 for none.
        detail: See :func:`fit_background`.

    Raises:
        GFMError: The file is unreadable.
    """
    if not blur_size:
        return crop.subsample(fit_background(path, size, crop.window, detail))
    top, left, height, width = crop.window
    before, both = blur_size // 2, blur_size - 1
    outer = Window(top - before, left - before, height + both, width + both)
    inner = outer.clip(size)
    top, left = inner.top - outer.top, inner.left - outer.left
    bottom, right = outer.height - inner.height - top, outer.width - inner.width - left
    background = fit_background(path, size, inner, detail)
    if not any((top, bottom, left, right)):
        return background
    # cv2.blur extends a whole picture in the same way.
    return cv2.copyMakeBorder(background, top, bottom, left, right, cv2.BORDER_REFLECT_101)


def fit_background(
    path: Path, size: tuple[int, ...], window: Window | None = None, detail: float = 1
) -> np.ndarray:
    """Read a background and resize it to (height, width) without aliasing.

    Args:
        path: File of the picture.
        size: (height, width) to which the whole picture is resized.
        window: Part of the resized picture to return; by default all of it.
        detail: Below 1, the picture is first shrunk to this fraction of ``size``, then enlarged.

    Raises:
        GFMError: The file is unreadable.
    """
    height, width = size
    window = window or Window(0, 0, height, width)
    if detail < 1:
        small = fit_background(path, tuple(max(1, round(side * detail)) for side in size))
        return window.of(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR))
    background = read_image(path, (height, width))
    rows = _Side.around(window.top, window.height, background.shape[0], height)
    columns = _Side.around(window.left, window.width, background.shape[1], width)
    part = _resize(background[rows.source, columns.source], rows, columns)
    return window.relative_to(Window(rows.start, columns.start, 0, 0)).of(part)


@dataclass(frozen=True)
class _Side:
    """The rows, or the columns, of a part of a picture before and after a resize.

    Attributes:
        source: Range of the part before the resize.
        start: Start of the part after the resize.
        length: Its length after the resize.
        interpolation: OpenCV's interpolation for resizing the whole side without aliasing.
    """

    source: slice
    start: int
    length: int
    interpolation: int

    @classmethod
    def around(cls, start: int, length: int, source: int, target: int) -> "_Side":
        """Return a part around the window that resizes to the same pixels as in the whole side.

        Args:
            start: Start of the window in the resized picture.
            length: Length of the window.
            source: Length of the side before the resize.
            target: Its length after the resize.
        """

        def is_aligned(edge: int) -> bool:
            """Return whether a pixel edge after the resize was also one before it."""
            rest = edge * source % target
            return min(rest, target - rest) * _PARTS <= target

        margin = math.ceil(target / source)  # interpolation reads half a source pixel more
        stop = min(start + length + margin, target)
        start = next(e for e in range(max(start - margin, 0), -1, -1) if is_aligned(e))
        stop = next(e for e in range(stop, target + 1) if is_aligned(e))
        part = slice(round(start * source / target), round(stop * source / target))
        # Below a factor of 1.5, linear interpolation is enough: the Gaussian that scikit-image
        # applies against aliasing would hardly reach neighbouring pixels.
        shrinks = source >= 1.5 * target
        return cls(part, start, stop - start, cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def _resize(image: np.ndarray, rows: _Side, columns: _Side) -> np.ndarray:
    """Resize each side with its own interpolation, the shrinking side first.

    If one side shrinks and the other grows, OpenCV's INTER_AREA interpolates linearly and skips
    pixels.
    """
    interpolation = rows.interpolation
    if rows.interpolation != columns.interpolation:
        by_rows, by_columns = (image.shape[1], rows.length), (columns.length, image.shape[0])
        first = by_rows if rows.interpolation == cv2.INTER_AREA else by_columns
        image = cv2.resize(image, first, interpolation=cv2.INTER_AREA)
        interpolation = cv2.INTER_LINEAR
    return cv2.resize(image, (columns.length, rows.length), interpolation=interpolation)
