"""The header of a picture: its size, without any pixels."""

from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from gfm.errors import GFMError

MOST_PIXELS = 2 * 89_478_485
"""Of a picture that is read: the number from which Pillow takes a file for an attack."""

_ORIENTATION = 0x0112  # the EXIF tag; values from 5 on exchange the sides

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
            is_turned = header.getexif().get(_ORIENTATION, 1) >= 5
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
