"""Decodes pictures of any common format, upright: photos in sRGB, mattes at the file's bit depth.

OpenCV is faster, so it decodes those files for which both libraries give the same pixels. Pillow
decodes the rest.
"""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from gfm.data.colours import conversion, profiled_mode, to_srgb
from gfm.data.headers import Header, describe_faults, read_header
from gfm.errors import GFMError
from gfm.system.files import check_file

# From a truncated JPEG, OpenCV before 5 returns half a picture without an error.
_OPENCV = ("PNG", "JPEG", "MPO") if int(cv2.__version__.partition(".")[0]) >= 5 else ("PNG",)

_FLAGS = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}

_UNCONVERTED = ("L", "LA", "RGB", "RGBA", "F")  # Pillow's modes, besides 16-bit ones
_CONVERTED = {"1": "L", "La": "LA"}

_DAMAGED = "not a picture, or damaged; replace the file"


def load(path: Path) -> bytes:
    """Return the content of a file.

    Raises:
        GFMError: The file is missing, unreadable or not a regular file.
    """
    check_file(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise GFMError(f"cannot read {path}: {error.strerror or error}") from error


def decode_image(name: Path | str, data: bytes, size: tuple[int, int] | None = None) -> np.ndarray:
    """Decode a photo: upright, in sRGB, without its opacity, 16 bits reduced to 8.

    Args:
        name: Name of the picture, for messages.
        data: Content of the file.
        size: (height, width) to which it will be resized: a JPEG is decoded at a half, a quarter or
            an eighth of its size, with no side shorter than that. Other formats keep their size.

    Returns:
        H×W×3 RGB, uint8.

    Raises:
        GFMError: The data are damaged, too large or not a picture.
    """
    header = read_header(name, BytesIO(data))
    factor = 1
    if size and header.format in ("JPEG", "MPO"):  # OpenCV would shrink others with aliasing
        room = min(have // max(want, 1) for have, want in zip(header.size, size, strict=True))
        factor = next((factor for factor in (8, 4, 2) if room >= factor), 1)
    if _is_plain(header):
        pixels = _decode(name, data, _FLAGS[factor] | cv2.IMREAD_IGNORE_ORIENTATION)
        return turn(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), header.orientation)
    if header.mode == "F":
        raise GFMError(f"cannot read {name}: it holds floats; save it with 8 or 16 bits")
    with describe_faults(name), Image.open(BytesIO(data)) as image:
        image.draft(None, (image.width // factor, image.height // factor))
        return np.array(to_srgb(ImageOps.exif_transpose(image)))


def _is_plain(header: Header) -> bool:
    """Return whether OpenCV reads the same colours as Pillow."""
    if header.format not in _OPENCV or header.mode == "CMYK" or header.mode.startswith("I"):
        return False
    return not (header.profile and conversion(header.profile, profiled_mode(header.mode)))


def decode_channels(
    name: Path | str, data: bytes
) -> tuple[Sequence[np.ndarray], np.ndarray | None]:
    """Decode a matte: upright, at the file's bit depth.

    Returns:
        The channels of its colours, one or three (red first), and the opacity if there is one;
        H×W each, uint8 or uint16.

    Raises:
        GFMError: The data are damaged, too large or not a picture, or neither uint8 nor uint16.
    """
    header = read_header(name, BytesIO(data))
    if header.format == "PNG":  # Pillow would reduce 16-bit colours to 8 bits
        channels = cv2.split(turn(_decode(name, data, cv2.IMREAD_UNCHANGED), header.orientation))
        return channels[2::-1], channels[3] if len(channels) == 4 else None
    with describe_faults(name), Image.open(BytesIO(data)) as opened:
        image = ImageOps.exif_transpose(opened)
        if image.mode not in _UNCONVERTED and not image.mode.startswith("I"):
            other = "RGBA" if image.has_transparency_data else "RGB"
            image = image.convert(_CONVERTED.get(image.mode, other))
        array = np.array(image)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype not in (np.uint8, np.uint16):
        raise GFMError(f"{name} holds {array.dtype}: save mattes as 8-bit or 16-bit PNG")
    *colours, last = cv2.split(array)
    return (colours, last) if len(colours) in (1, 3) else ([*colours, last], None)


def _decode(name: Path | str, data: bytes, flags: int) -> np.ndarray:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        image = None
    if image is None:
        raise GFMError(f"cannot read {name}: {_DAMAGED}")
    return image


def turn(image: np.ndarray, orientation: int) -> np.ndarray:
    """Return an image upright.

    Args:
        image: H×W or H×W×C.
        orientation: Value of EXIF's tag 274: 1 leaves it as it is, 2 to 4 mirror or rotate it by
            180°, 5 to 8 exchange height and width.
    """
    if orientation in (5, 6, 7, 8):
        image = cv2.transpose(image)
    flip = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    return image if flip is None else cv2.flip(image, flip)
