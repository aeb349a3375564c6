"""Reads the header of a picture, which holds its size, without decoding any pixels."""

from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from gfm.errors import GFMError

MOST_PIXELS = 2 * 89_478_485
"""Largest number of pixels of a picture that is read; Pillow takes a larger one for an attack."""

_ORIENTATION = 0x0112  # the EXIF tag
_TURNED = (5, 6, 7, 8)  # values of the tag that exchange height and width

_PNG = b"\x89PNG\r\n\x1a\n"

_TOO_LARGE = "its header asks for more than 178 million pixels; replace the file, or shrink it"


def read_header(path: Path, source: Path | BytesIO) -> tuple[int, int]:
    """Return (height, width) of a picture from its header, after the turn that EXIF asks for.

    Args:
        path: Path of the picture, for messages.
        source: The file, or its content.

    Raises:
        GFMError: The file is unreadable or no picture, or has more pixels than
            :data:`MOST_PIXELS`.
    """
    try:
        with Image.open(source) as header:
            width, height = header.size
            # The base class's `getexif`, because that of a PNG decodes all pixels.
            is_turned = Image.Image.getexif(header).get(_ORIENTATION, 1) in _TURNED
    except Image.DecompressionBombError as error:
        raise GFMError(f"cannot read {path}: {_TOO_LARGE}") from error
    except UnidentifiedImageError as error:
        text = "not a picture, or damaged; replace the file"
        raise GFMError(f"cannot read {path}: {text}") from error
    except OSError as error:
        raise GFMError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # Pillow's readers may raise anything at an odd header
        raise GFMError(f"cannot read {path}: damaged ({error}); replace the file") from error
    if width * height > MOST_PIXELS:
        raise GFMError(f"cannot read {path}: {_TOO_LARGE}")
    return (width, height) if is_turned else (height, width)


def check_chunks(path: Path, data: memoryview) -> None:
    """Check that the chunks of a PNG end within the file.

    OpenCV would reserve up to 2 GB for the length that a damaged chunk claims to have.

    Args:
        path: Path of the picture, for the message.
        data: Content of any picture; only a PNG is checked.

    Raises:
        GFMError: A chunk extends beyond the end of the file.
    """
    place = len(_PNG)
    if bytes(data[:place]) != _PNG:
        return
    while place + 8 <= len(data) and bytes(data[place + 4 : place + 8]) != b"IEND":
        place += 12 + int.from_bytes(data[place : place + 4], "big")
        if place > len(data):
            raise GFMError(f"cannot read {path}: cut short, or damaged; replace the file")
