"""Reading and writing pictures: any common file to RGB or alpha, whole files only.

OpenCV decodes; it applies EXIF orientation and turns palettes, CMYK and greyscale into RGB.
"""

import os
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from gfm.errors import GFMError

SUFFIXES = (".jpg", ".jpeg", ".png")

_REDUCED = (
    (8, cv2.IMREAD_REDUCED_COLOR_8),
    (4, cv2.IMREAD_REDUCED_COLOR_4),
    (2, cv2.IMREAD_REDUCED_COLOR_2),
)


def _decode(path: Path, flags: int) -> np.ndarray:
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise GFMError(f"cannot read {path}: {error.strerror or error}") from error
    image = cv2.imdecode(data, flags) if data.size else None
    if image is None:
        raise GFMError(f"cannot read {path}: not a picture, or damaged; replace the file")
    return image


def read_image(path: Path) -> np.ndarray:
    """H×W×3 RGB, uint8.

    Raises:
        GFMError: the file is missing, unreadable or no picture.
    """
    return cv2.cvtColor(_decode(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def read_image_for(path: Path, size: tuple[int, int]) -> np.ndarray:
    """A picture that will be resized to ``size`` (height, width), decoded no larger than needed.

    JPEG decodes at a half, a quarter or an eighth in a fraction of the time, and without aliasing.

    Returns:
        H×W×3 RGB, uint8; each side at least that of ``size`` where the file's is.

    Raises:
        GFMError: the file is missing, unreadable or no picture.
    """
    try:
        with Image.open(path) as header:  # reads no pixels
            sides = sorted(header.size)
    except OSError:
        return read_image(path)  # which says what is wrong
    # Sorted, since an EXIF rotation may exchange them.
    room = min(have // max(want, 1) for have, want in zip(sides, sorted(size), strict=True))
    flag = next((flag for factor, flag in _REDUCED if room >= factor), cv2.IMREAD_COLOR)
    return cv2.cvtColor(_decode(path, flag), cv2.COLOR_BGR2RGB)


def read_alpha(path: Path) -> np.ndarray:
    """H×W uint8 matte or trimap; of several channels the first counts, 16 bits are scaled down.

    Raises:
        GFMError: the file is missing, unreadable or no picture.
    """
    alpha = _decode(path, cv2.IMREAD_UNCHANGED)
    if alpha.ndim == 3:
        alpha = alpha[:, :, 2] if alpha.shape[2] >= 3 else alpha[:, :, 0]  # BGR: red is first
    if alpha.dtype == np.uint16:
        alpha = ((alpha.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.ascontiguousarray(alpha)


def write_png(path: Path, image: np.ndarray) -> None:
    """Writes H×W or H×W×3 RGB, uint8, aside and renames, so that a file is whole or not there."""
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    ok, data = cv2.imencode(".png", image)
    if not ok:
        raise GFMError(f"cannot encode {path}")
    aside = path.with_name(path.name + ".tmp")
    try:
        aside.write_bytes(data.tobytes())
        os.replace(aside, path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise GFMError(f"cannot write {path}: {error.strerror or error}") from error
