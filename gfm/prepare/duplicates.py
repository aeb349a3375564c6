"""Finds duplicate photos, even at a different size or in a different format."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

_SIDE = 16
_MOST_BITS = 8  # maximum number of differing bits (of 256) between duplicates
_LEAST_CONTRAST = 2.0  # standard deviation of grey (0..255) below which all photos look alike
_ROWS = 1024  # compared at once, to limit memory


def fingerprint(image: np.ndarray) -> bytes | None:
    """Return a difference hash: where a small grey copy of a photo gets brighter to the right.

    Args:
        image: H×W×3, uint8.

    Returns:
        256 bits; ``None`` for a nearly uniform photo.
    """
    small = cv2.resize(np.asarray(image), (_SIDE + 1, _SIDE), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.int16)
    if grey.std() < _LEAST_CONTRAST:
        return None
    return np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes()


def equal_pairs(fingerprints: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """Yield pairs of indices: the first of several equal photos, and each of its duplicates."""
    if not fingerprints:
        return
    bits = np.unpackbits(np.frombuffer(b"".join(fingerprints), np.uint8)).reshape(-1, _SIDE**2)
    signs = bits.astype(np.float32) * 2 - 1
    for start in range(0, len(signs), _ROWS):
        # The dot product of signs is 256 minus twice the number of differing bits.
        products = signs[start : start + _ROWS] @ signs.T
        for row, products_of_row in enumerate(products, start):
            first = int(np.flatnonzero(products_of_row >= _SIDE**2 - 2 * _MOST_BITS)[0])
            if first < row:
                yield first, row
