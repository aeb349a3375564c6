"""Reading and writing pictures: any common file to RGB or alpha, whole files only.

OpenCV decodes; it applies EXIF orientation and turns palettes, CMYK and greyscale into RGB.
Packed pictures (``.npy``, see ``gfm prepare pack``) are decoded already.
"""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from gfm.errors import GFMError
from gfm.system.files import whole_file

SUFFIXES = (".jpg", ".jpeg", ".png", ".npy")

_ORIENTATION = 0x0112  # the EXIF tag; from 5 on the sides are exchanged

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


def open_array(path: Path) -> np.ndarray:
    """A packed array, memory-mapped and read-only: slicing reads only the pages it touches.

    Raises:
        GFMError: the file is missing, truncated or no array.
    """
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise GFMError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, EOFError) as error:
        raise GFMError(f"cannot read {path}: not an array, or damaged; pack it again") from error


def _packed(path: Path, num_channels: int) -> np.ndarray:
    """A packed picture in its map, H×W for one channel, else H×W×C."""
    array = open_array(path)
    if array.dtype != np.uint8 or array.shape[2:] != (num_channels,) * (num_channels > 1):
        raise GFMError(f"{path} holds {array.dtype} of shape {array.shape}: pack it again")
    return array


def is_packed(path: Path) -> bool:
    """Whether a picture is an array, see :func:`open_array`."""
    return path.suffix.lower() == ".npy"


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) as :func:`read_image` gives it, from the file's header alone.

    Raises:
        GFMError: the file is missing, unreadable or no picture.
    """
    if is_packed(path):
        height, width = open_array(path).shape[:2]
        return height, width
    try:
        with Image.open(path) as header:
            width, height = header.size
            is_turned = header.getexif().get(_ORIENTATION, 1) >= 5
    except UnidentifiedImageError as error:
        raise GFMError(f"cannot read {path}: not a picture; replace the file") from error
    except OSError as error:
        raise GFMError(f"cannot read {path}: {error.strerror or error}") from error
    return (width, height) if is_turned else (height, width)


def read_image(path: Path) -> np.ndarray:
    """H×W×3 RGB, uint8; of a packed picture a memory map.

    Raises:
        GFMError: the file is missing, unreadable or no picture.
    """
    if is_packed(path):
        return _packed(path, 3)
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
    """H×W uint8 matte or trimap; of a packed one a memory map.

    Of several channels the first counts, and 16 bits are scaled down.

    Raises:
        GFMError: the file is missing, unreadable or no picture.
    """
    if is_packed(path):
        return _packed(path, 1)
    # Not IMREAD_UNCHANGED, which would leave a matte lying where its photo is turned by EXIF.
    alpha = _decode(path, cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH)
    if alpha.ndim == 3:
        alpha = alpha[:, :, 2] if alpha.shape[2] >= 3 else alpha[:, :, 0]  # BGR: red is first
    if alpha.dtype == np.uint16:
        alpha = ((alpha.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.ascontiguousarray(alpha)


def read_matte(path: Path) -> np.ndarray:
    """H×W matte in the file's own depth, uint8 or uint16, from greyscale, RGB or RGBA.

    The opacity of an RGBA cut-out is the matte; that of a greyscale picture is not, if it is
    opaque everywhere.

    Raises:
        GFMError: the file is missing, unreadable or no picture, or it is in colour.
    """
    matte = _decode(path, cv2.IMREAD_UNCHANGED)
    if matte.dtype not in (np.uint8, np.uint16):
        raise GFMError(f"{path} holds {matte.dtype}: save mattes as PNG of 8 or 16 bit")
    if matte.ndim == 3:
        colours, opacity = matte[:, :, :3], matte[:, :, 3:]
        is_grey = bool((colours == colours[:, :, :1]).all())
        if opacity.size and not (is_grey and (opacity == np.iinfo(matte.dtype).max).all()):
            matte = opacity[:, :, 0]
        elif is_grey:
            matte = colours[:, :, 0]
        else:
            raise GFMError(f"{path} is in colour: a matte is grey, or the opacity of an RGBA PNG")
    return np.ascontiguousarray(matte)


def write_png(path: Path, image: np.ndarray) -> None:
    """Writes H×W, H×W×3 RGB or H×W×4 RGBA, uint8 or uint16, whole or not at all.

    Raises:
        WriteError: the disk is full or cannot be written.
    """
    _write(path, image, [])


def write_jpeg(path: Path, image: np.ndarray) -> None:
    """Writes H×W×3 RGB, uint8, whole or not at all, in high quality: 95, chroma not reduced.

    Raises:
        WriteError: the disk is full or cannot be written.
    """
    _write(path, image, _FINE_JPEG)


def write_array(path: Path, array: np.ndarray) -> None:
    """Writes an array for :func:`open_array`, whole or not at all.

    Raises:
        WriteError: the disk is full or cannot be written.
    """
    with whole_file(path) as file:
        np.save(file, np.ascontiguousarray(array), allow_pickle=False)


_FINE_JPEG = [
    cv2.IMWRITE_JPEG_QUALITY, 95,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
]  # fmt: skip


def _write(path: Path, image: np.ndarray, options: list[int]) -> None:
    if image.ndim == 3:
        has_opacity = image.shape[2] == 4
        image = cv2.cvtColor(image, cv2.COLOR_RGBA2BGRA if has_opacity else cv2.COLOR_RGB2BGR)
    # Encoding in memory first: cv2 writes files without saying what went wrong.
    ok, data = cv2.imencode(path.suffix, image, options)
    if not ok:
        raise GFMError(f"cannot encode {path}")
    with whole_file(path) as file:
        file.write(data.tobytes())
