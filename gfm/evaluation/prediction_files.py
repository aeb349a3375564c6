"""Finds and reads the mattes that another method has written."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from gfm.data.images import image_size, is_packed, open_array, read_matte
from gfm.data.layout import Photo
from gfm.data.listing import list_pictures
from gfm.errors import GFMError

_SUFFIX = "_alpha"


def find_mattes(folder: Path, photos: Sequence[Photo]) -> tuple[dict[str, Path], list[Path]]:
    """Find the mattes of photos: ``<name>`` or ``<name>_alpha``, in any format that can be read.

    If the folder has none, its sub-folder ``alpha`` is searched.

    Returns:
        The files by photo name, and the pictures that match no photo.

    Raises:
        GFMError: No picture matches a photo, two match the same one, or a name is not UTF-8.
    """
    names = {photo.name for photo in photos}
    for place in (folder, folder / "alpha"):
        found: dict[str, list[Path]] = {}
        strays = []
        for stem, paths in list_pictures(place).items():
            name = stem if stem in names else stem.removesuffix(_SUFFIX)
            if name in names:
                found.setdefault(name, []).extend(paths)
            else:
                strays += paths
        if found:
            return {name: _single(paths) for name, paths in found.items()}, strays
    raise GFMError(
        f"no picture in {folder} is named like one of the {len(photos)} photos; it holds "
        f"{_describe(folder)}: name the mattes {photos[0].name}.png and so on"
    )


def _single(paths: list[Path]) -> Path:
    if len(paths) > 1:
        names = " and ".join(path.name for path in paths)
        raise GFMError(f"{paths[0].parent} holds {names} for one photo: remove all but one")
    return paths[0]


def _describe(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if len(names) > 3:
        return f"{len(names)} files, such as {names[0]}"
    return " and ".join(names) or "nothing"


def matte_size(path: Path) -> tuple[int, int]:
    """Return (height, width) of a matte, reading only the header of the file.

    Raises:
        GFMError: The file is unreadable or not a picture.
    """
    height, width = _open_array(path).shape if is_packed(path) else image_size(path)
    return height, width


def read_prediction(path: Path) -> np.ndarray:
    """Read a matte at the bit depth of its file.

    Returns:
        H×W: uint8 or uint16; or from ``.npy`` also float32 in [0, 1].

    Raises:
        GFMError: The file is unreadable or not a matte; see :func:`gfm.data.images.read_matte`.
    """
    if not is_packed(path):
        return read_matte(path)
    array = np.array(_open_array(path))
    if array.dtype in (np.uint8, np.uint16):
        return array
    if not np.issubdtype(array.dtype, np.floating):
        raise GFMError(f"{path} holds {array.dtype}: save floats in [0, 1], uint8 or uint16")
    if not ((array >= 0) & (array <= 1)).all():
        raise GFMError(f"{path} holds NaN, or values outside of [0, 1]: clip or replace them")
    return array.astype(np.float32)


def _open_array(path: Path) -> np.ndarray:
    """Open an array as H×W; the file may have one channel, first or last."""
    array = open_array(path)
    sides = [side for side in array.shape if side > 1]
    if len(sides) != 2:
        raise GFMError(f"{path} holds an array of shape {array.shape}: save one of height × width")
    return array.reshape(sides)


def is_rotated(size: tuple[int, ...], original: tuple[int, ...]) -> bool:
    """Return whether a matte fits its photo only when rotated, given both as (height, width).

    Methods that ignore the EXIF orientation write such mattes.
    """
    return _is_scaled(size[::-1], original) and not _is_scaled(size, original)


def _is_scaled(size: tuple[int, ...], original: tuple[int, ...]) -> bool:
    """Return whether both sides differ by the same factor, up to a pixel."""
    return abs(size[0] * original[1] - size[1] * original[0]) <= sum(original)


def resize_matte(matte: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize a matte of :func:`read_prediction`, by averaging if it shrinks, else linearly."""
    if matte.shape == (height, width):
        return matte
    shrinks = height * width < matte.size
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = cv2.resize(matte, (width, height), interpolation=interpolation)
    # Rounding errors may push averages of floats above 1.
    return resized.clip(0, 1) if resized.dtype == np.float32 else resized
