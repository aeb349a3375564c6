"""The header of a picture: its size, without any pixels."""

from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from gfm.errors import GFMError

MOST_PIXELS = 2 * 89_478_485
"""Of a picture that is read: the number from which Pillow takes a file for an attack."""

_ORIENTATION = 0x0112  # the EXIF tag
_TURNED = (5, 6, 7, 8)  # its values that exchange the sides

_PNG = b"\x89PNG\r\n\x1a\n"

_TOO_LARGE = "its header asks for more than 178 million pixels; replace the file, or shrink it"


def read_header(path: Path, source: Path | BytesIO) -> tuple[int, int]:
    """Return (height, width), upright, from the header of a picture.

    Args:
        path: For messages.
        source: The file, or its content.

    Raises:
        GFMError: It is unreadable, no picture, or larger than :data:`MOST_PIXELS`.
    """
    try:
        with Image.open(source) as header:
            width, height = header.size
            # Not its own `getexif`, which decodes all pixels of a PNG.
            is_turned = Image.Image.getexif(header).get(_ORIENTATION, 1) in _TURNED
    except Image.DecompressionBombError as error:
        raise GFMError(f"cannot read {path}: {_TOO_LARGE}") from error
    except UnidentifiedImageError as error:
        text = "not a picture, or damaged; replace the file"
        raise GFMError(f"cannot read {path}: {text}") from error
    except OSError as error:
        raise GFMError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # Pillow's readers raise of every kind at an odd header
        raise GFMError(f"cannot read {path}: damaged ({error}); replace the file") from error
    if width * height > MOST_PIXELS:
        raise GFMError(f"cannot read {path}: {_TOO_LARGE}")
    return (width, height) if is_turned else (height, width)


def check_chunks(path: Path, data: memoryview) -> None:
    """Refuse a PNG cut short: OpenCV reserves up to 2 GB for what a chunk claims to hold.

    Args:
        path: For the message.
        data: Of any picture; others than PNG pass.

    Raises:
        GFMError: A chunk goes on beyond the end.
    """
    place = len(_PNG)
    if bytes(data[:place]) != _PNG:
        return
    while place + 8 <= len(data) and bytes(data[place + 4 : place + 8]) != b"IEND":
        place += 12 + int.from_bytes(data[place : place + 4], "big")
        if place > len(data):
            raise GFMError(f"cannot read {path}: cut short, or damaged; replace the file")
