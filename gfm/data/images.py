"""Reads and writes photos and mattes, in the same way for every command.

Packed pictures (``.npy``, see ``gfm prepare pack``) need no decoding.
"""

import math
import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

from gfm.data.decoding import decode_channels, decode_image, load
from gfm.data.headers import describe_faults, read_header
from gfm.errors import GFMError
from gfm.system.files import check_file, open_atomic

PICTURE_SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".tif", ".tiff", ".bmp",
)  # fmt: skip
"""Suffixes, in upper or lower case, of the pictures that every command finds in a folder."""

SUFFIXES = (*PICTURE_SUFFIXES, ".npy")
"""Suffixes of the pictures of a dataset; ``.npy`` is a packed one."""

_NOISE = 8  # largest difference (of 255) between the channels of a grey JPEG


def open_array(path: Path) -> np.ndarray:
    """Open a packed array, memory-mapped and read-only, so that slicing reads only what it needs.

    Raises:
        GFMError: The file is missing, truncated or not an array.
    """
    check_file(path)
    try:
        with path.open("rb") as file:
            return _map_array(file)
    except OSError as error:
        raise GFMError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # a malformed header may raise anything
        raise GFMError(f"cannot read {path}: not an array, or damaged; pack it again") from error


def _map_array(file: BinaryIO) -> np.ndarray:
    """Map a file from :func:`write_array`, in a third of the time of ``np.load``."""
    np.lib.format.read_magic(file)
    shape, is_transposed, dtype = np.lib.format.read_array_header_1_0(file)
    content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    array = np.frombuffer(content, dtype, count=math.prod(shape), offset=file.tell())
    return array.reshape(shape, order="F" if is_transposed else "C")


def _packed(path: Path, num_channels: int) -> np.ndarray:
    """Open a packed picture as a memory map: H×W for one channel, H×W×C for several."""
    array = open_array(path)
    is_picture = array.ndim >= 2 and array.size and array.dtype == np.uint8
    if not is_picture or array.shape[2:] != (num_channels,) * (num_channels > 1):
        wanted = "H×W" if num_channels == 1 else f"H×W×{num_channels}"
        raise GFMError(
            f"{path} holds {array.dtype} of shape {array.shape}: pack it again, or save it as PNG, "
            f"or as uint8 of shape {wanted}"
        )
    return array


def is_packed(path: Path) -> bool:
    """Return whether a picture is a packed array; see :func:`open_array`."""
    return path.suffix.lower() == ".npy"


def image_size(path: Path) -> tuple[int, int]:
    """Return (height, width) as :func:`read_image` gives it, reading only the header of the file.

    Raises:
        GFMError: The file is missing, unreadable or not a picture.
    """
    if is_packed(path):
        shape = open_array(path).shape
        if len(shape) < 2:
            raise GFMError(f"{path} holds an array of shape {shape}: pack it again")
        return shape[0], shape[1]
    check_file(path)
    with describe_faults(path), path.open("rb") as file:
        return read_header(path, file).size


def check_size(path: Path, size: Sequence[int], other: str, other_size: Sequence[int]) -> None:
    """Check that a picture has the same (height, width) as another, which ``other`` describes.

    Raises:
        GFMError: The sizes differ.
    """
    if tuple(size) != tuple(other_size):
        have, want = (f"{height}×{width}" for height, width in (size, other_size))
        is_turned = tuple(size) == tuple(other_size)[::-1]
        fix = ": rotate one of them (photos are rotated as EXIF says)" if is_turned else ""
        raise GFMError(f"{path} has {have} pixels, {other} {want}{fix}")


def read_image(path: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """Read a photo: upright by EXIF or XMP, in sRGB by its colour profile, without its opacity.

    Args:
        path: The file.
        size: (height, width) to which the photo will be resized. JPEG then decodes at a half, a
            quarter or an eighth of its size in a fraction of the time, without aliasing; no side
            gets shorter than that of ``size``.

    Returns:
        H×W×3 RGB, uint8; a memory map if the picture is packed.

    Raises:
        GFMError: The file is missing, unreadable or not a picture.
    """
    return _packed(path, 3) if is_packed(path) else decode_image(path, load(path), size)


def read_alpha(path: Path, is_cutout: bool = False) -> np.ndarray:
    """Read a ground-truth matte or a trimap as 8-bit; see :func:`read_matte`.

    Returns:
        H×W, uint8; a memory map if the picture is packed.

    Raises:
        GFMError: The file is missing, unreadable, not a picture, or in colour, or its values are
            too small, as in a mask of 0 and 1, or in one of 0..255 saved with 16 bits.
    """
    if is_packed(path):
        return _packed(path, 1)
    matte = read_matte(path, is_cutout)
    if is_too_small(matte):
        most, largest = np.iinfo(matte.dtype).max, int(matte.max())
        factor = most // 255 if largest > 1 else most
        raise GFMError(
            f"{path} has {largest} as its largest value, not {most}: multiply it by {factor}"
        )
    return to_uint8(matte)


def is_too_small(matte: np.ndarray) -> bool:
    """Return whether a matte is not empty, but at most 1 of 255, like a mask of 0 and 1."""
    return bool(matte.max() and to_uint8(matte).max() <= 1)


def to_uint8(matte: np.ndarray) -> np.ndarray:
    """Convert a matte of 8 or 16 bits to 8 bits."""
    if matte.dtype == np.uint16:
        return ((matte.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return matte


def read_matte(path: Path, is_cutout: bool = False) -> np.ndarray:
    """Read a matte or a trimap at the file's bit depth.

    The matte of a cut-out is its alpha channel. Any other file uses its alpha channel if that
    varies, and otherwise its grey values.

    Returns:
        H×W, uint8 or uint16.

    Raises:
        GFMError: The file is missing, unreadable or not a picture; it is in colour and opaque; or
            it is a cut-out without transparency.
    """
    matte = pick_matte(*decode_channels(path, load(path)), is_cutout)
    if matte is None and is_cutout:
        raise GFMError(f"{path} is opaque: a cut-out needs transparency; remove or replace it")
    if matte is None:
        raise GFMError(
            f"{path} is in colour and opaque: a matte must be grey, or the alpha channel of an "
            "RGBA picture; replace it, or swap the folders of photos and mattes"
        )
    return matte


def pick_matte(
    colours: Sequence[np.ndarray], opacity: np.ndarray | None, is_cutout: bool = False
) -> np.ndarray | None:
    """Return the matte among the channels of a picture, or ``None`` if there is none.

    Args:
        colours: One or three channels, H×W each, uint8 or uint16.
        opacity: H×W of the same type, if there is one.
        is_cutout: Whether only the opacity can be the matte, even if the colours are grey.
    """
    if opacity is not None and opacity.min() != opacity.max():
        return opacity
    if is_cutout:
        return opacity if opacity is not None and not opacity.any() else None
    grey, *others = colours
    noise = _NOISE * (257 if grey.dtype == np.uint16 else 1)
    if all(cv2.absdiff(grey, other).max() <= noise for other in others):
        return grey
    if opacity is not None and not opacity.any():
        return opacity  # an empty cut-out, whose colours do not matter
    return None


def write_png(path: Path, image: np.ndarray) -> None:
    """Write a PNG file atomically.

    Args:
        path: File to write.
        image: H×W, H×W×3 RGB or H×W×4 RGBA, uint8 or uint16.

    Raises:
        WriteError: The disk is full or read-only, or the folder is missing.
    """
    _write(path, image, _PNG)


def write_jpeg(path: Path, image: np.ndarray, quality: int = 95) -> None:
    """Write a JPEG file atomically.

    Args:
        path: File to write.
        image: H×W×3 RGB, uint8.
        quality: From 95 on, chroma has full resolution, so that a photo matches the blend of its
            layers even at single hairs; below, it is subsampled.

    Raises:
        WriteError: The disk is full or read-only, or the folder is missing.
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    if quality >= 95:
        options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    _write(path, image, options)


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an array for :func:`open_array` atomically.

    Raises:
        WriteError: The disk is full or read-only, or the folder is missing.
    """
    array = np.ascontiguousarray(array)
    with open_atomic(path) as file:
        # On a full disk, np.save raises an error that does not say so.
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        file.write(array.data)


# Options that keep files small and decode fastest: make bench ARGS=formats.
_PNG = [
    cv2.IMWRITE_PNG_COMPRESSION, 1,
    cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_DEFAULT,
]  # fmt: skip
if hasattr(cv2, "IMWRITE_PNG_FILTER"):  # since OpenCV 4.11
    _PNG += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP]


def _write(path: Path, image: np.ndarray, options: list[int]) -> None:
    if image.ndim == 3:
        has_opacity = image.shape[2] == 4
        image = cv2.cvtColor(image, cv2.COLOR_RGBA2BGRA if has_opacity else cv2.COLOR_RGB2BGR)
    # Encode in memory first: cv2.imwrite does not report what went wrong.
    ok, data = cv2.imencode(path.suffix, image, options)
    if not ok:
        raise GFMError(f"cannot encode {path}")
    with open_atomic(path) as file:
        file.write(data.tobytes())
