"""Reads the photos to predict, from files or from standard input."""

import sys
from pathlib import Path

import numpy as np

from gfm.data.decoding import decode_image
from gfm.data.images import PICTURE_SUFFIXES, read_image

HEIC_SUFFIXES = (".heic", ".heif", ".hif")

SUFFIXES = (*PICTURE_SUFFIXES, *HEIC_SUFFIXES)
"""Suffixes of the photos in a folder; a file given by name may have any suffix."""

STDIN = Path("-")
"""Path that stands for standard input."""


def read_photo(path: Path) -> np.ndarray:
    """Read a photo from a file or from :data:`STDIN`; see :func:`gfm.data.images.read_image`.

    Raises:
        GFMError: The file is missing, damaged or not a picture.
    """
    if path == STDIN:
        return decode_image("standard input", sys.stdin.buffer.read())
    return read_image(path)
