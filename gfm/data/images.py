"""Reading pictures in any common format as RGB or alpha, and writing them.

OpenCV decodes; it applies the EXIF orientation and turns palettes, CMYK and greyscale into RGB.
Packed pictures (``.npy``, see ``gfm prepare pack``) need no decoding.
"""

from io import BytesIO
from pathlib import Path

import cv2
import numpy as np

from gfm.data.headers import check_chunks, read_header
from gfm.errors import GFMError
from gfm.system.files import check_file, open_atomic

SUFFIXES = (".jpg", ".jpeg", ".png", ".npy")

_REDUCED = (
    (8, cv2.IMREAD_REDUCED_COLOR_8),
    (4, cv2.IMREAD_REDUCED_COLOR_4),
    (2, cv2.IMREAD_REDUCED_COLOR_2),
)


def _decode(path: Path, flags: int) -> np.ndarray:
    check_file(path)
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise GFMError(f"cannot read {path}: {error.strerror or error}") from error
    read_header(path, BytesIO(data.data))  # OpenCV would reserve whatever a header asks for
    check_chunks(path, data.data)
    try:
        image = cv2.imdecode(data, flags)
    except cv2.error:
        image = None
    if image is None:
        raise GFMError(f"cannot read {path}: not a picture, or damaged; replace the file")
    return image


def open_array(path: Path) -> np.ndarray:
    """Open a packed array, memory-mapped and read-only, so that slicing reads only what it needs.

    Raises:
        GFMError: The file is missing, truncated or no array.
    """
    check_file(path)
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise GFMError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # NumPy raises of every kind at an odd header
        raise GFMError(f"cannot read {path}: not an array, or damaged; pack it again") from error


def _packed(path: Path, num_channels: int) -> np.ndarray:
    """Open a packed picture as a memory map: H×W for one channel, H×W×C for several."""
    array = open_array(path)
    is_flat = array.ndim < 2 or array.size == 0
    if (
        is_flat
        or array.dtype != np.uint8
        or array.shape[2:] != (num_channels,) * (num_channels > 1)
    ):
        raise GFMError(f"{path} holds {array.dtype} of shape {array.shape}: pack it again")
    return array


def is_packed(path: Path) -> bool:
    """Return whether a picture is a packed array; see :func:`open_array`."""
    return path.suffix.lower() == ".npy"


def image_size(path: Path) -> tuple[int, int]:
    """Return (height, width) as :func:`read_image` gives it, reading only the header of the file.

    Raises:
        GFMError: The file is missing, unreadable or no picture.
    """
    if is_packed(path):
        shape = open_array(path).shape
        if len(shape) < 2:
            raise GFMError(f"{path} holds an array of shape {shape}: pack it again")
        return shape[0], shape[1]
    check_file(path)
    return read_header(path, path)


def read_image(path: Path) -> np.ndarray:
    """Read a picture as RGB.

    Returns:
        H×W×3, uint8; a memory map if the picture is packed.

    Raises:
        GFMError: The file is missing, unreadable or no picture.
    """
    if is_packed(path):
        return _packed(path, 3)
    return cv2.cvtColor(_decode(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def read_image_for(path: Path, size: tuple[int, int]) -> np.ndarray:
    """Read a picture that will be resized to ``size``, decoding it no larger than needed.

    JPEG decodes at a half, a quarter or an eighth of its size in a fraction of the time, without
    aliasing.

    Args:
        path: The file.
        size: (height, width) to which the picture will be resized.

    Returns:
        H×W×3 RGB, uint8. No side is shorter than that of ``size``, unless that of the file is.

    Raises:
        GFMError: The file is missing, unreadable or no picture.
    """
    if is_packed(path):
        return _packed(path, 3)
    room = min(have // max(want, 1) for have, want in zip(image_size(path), size, strict=True))
    flag = next((flag for factor, flag in _REDUCED if room >= factor), cv2.IMREAD_COLOR)
    return cv2.cvtColor(_decode(path, flag), cv2.COLOR_BGR2RGB)


def read_alpha(path: Path) -> np.ndarray:
    """Read a matte or trimap in 8 bits.

    The first of several channels counts; 16 bits are scaled down.

    Returns:
        H×W, uint8; a memory map if the picture is packed.

    Raises:
        GFMError: The file is missing, unreadable or no picture.
    """
    if is_packed(path):
        return _packed(path, 1)
    # Not IMREAD_UNCHANGED: it ignores EXIF, and would leave the matte of a turned photo unturned.
    alpha = _decode(path, cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH)
    if alpha.ndim == 3:
        alpha = alpha[:, :, 2] if alpha.shape[2] >= 3 else alpha[:, :, 0]  # BGR: red is first
    if alpha.dtype == np.uint16:
        alpha = ((alpha.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if alpha.dtype != np.uint8:
        raise GFMError(f"{path} holds {alpha.dtype}: save mattes as PNG of 8 or 16 bit")
    return np.ascontiguousarray(alpha)


def read_matte(path: Path) -> np.ndarray:
    """Read a matte from greyscale, RGB or RGBA, in the depth of the file.

    For an RGBA cut-out, the matte is the opacity. A grey picture that is opaque everywhere is
    itself the matte.

    Returns:
        H×W, uint8 or uint16.

    Raises:
        GFMError: The file is missing, unreadable or no picture, or it is in colour.
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
    """Write a PNG file that is complete or absent.

    Args:
        path: File to write.
        image: H×W, H×W×3 RGB or H×W×4 RGBA, uint8 or uint16.

    Raises:
        WriteError: The disk is full or read-only, or the folder is missing.
    """
    _write(path, image, [])


def write_jpeg(path: Path, image: np.ndarray, is_fine: bool = True) -> None:
    """Write a JPEG file that is complete or absent.

    Args:
        path: File to write.
        image: H×W×3 RGB, uint8.
        is_fine: Whether to write quality 95 with chroma at full resolution, so that a photo stays
            the sum of its layers hair by hair; otherwise quality 92 with chroma reduced.

    Raises:
        WriteError: The disk is full or read-only, or the folder is missing.
    """
    _write(path, image, _FINE_JPEG if is_fine else _SMALL_JPEG)


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an array for :func:`open_array`; the file is complete or absent.

    Raises:
        WriteError: The disk is full or read-only, or the folder is missing.
    """
    with open_atomic(path) as file:
        np.save(file, np.ascontiguousarray(array), allow_pickle=False)


_FINE_JPEG = [
    cv2.IMWRITE_JPEG_QUALITY, 95,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
]  # fmt: skip
_SMALL_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 92]


def _write(path: Path, image: np.ndarray, options: list[int]) -> None:
    if image.ndim == 3:
        has_opacity = image.shape[2] == 4
        image = cv2.cvtColor(image, cv2.COLOR_RGBA2BGRA if has_opacity else cv2.COLOR_RGB2BGR)
    # Encoding in memory first: cv2 writes files without saying what went wrong.
    ok, data = cv2.imencode(path.suffix, image, options)
    if not ok:
        raise GFMError(f"cannot encode {path}")
    with open_atomic(path) as file:
        file.write(data.tobytes())
