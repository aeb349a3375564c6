"""Reads the header of a picture (size, orientation, colours) without decoding any pixels."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from gfm.errors import GFMError
from gfm.system.extras import import_optional

MOST_PIXELS = 2 * 89_478_485
"""Maximum number of pixels of a picture; Pillow refuses larger ones by default."""

# Pillow warns above half that number, which photos from current cameras reach.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

_ORIENTATION, _WIDTH, _HEIGHT = 0x0112, 0x0100, 0x0101  # tags of EXIF and TIFF
_BITS, _COMPRESSION, _COLOURS, _PLANES = 0x0102, 0x0103, 0x0106, 0x011C  # more TIFF tags
_SIGNS = 0x0153  # TIFF's SampleFormat: 1 unsigned, 2 signed, 3 floats
_HEIC = (b"heic", b"heix", b"hevc", b"hevx")  # brands that AVIF does not use
_PNG = b"\x89PNG\r\n\x1a\n"


class Header(NamedTuple):
    """The contents of a picture's header.

    Attributes:
        size: (height, width) of the upright picture.
        format: Pillow's name of the format, such as ``JPEG``.
        mode: Pillow's mode, such as ``RGB``.
        orientation: Orientation from EXIF or XMP, 1 to 8; see :func:`gfm.data.decoding.turn`.
        profile: ICC profile, if there is one.
    """

    size: tuple[int, int]
    format: str
    mode: str
    orientation: int
    profile: bytes | None


@contextmanager
def describe_faults(name: Path | str) -> Iterator[None]:
    """Turn whatever Pillow raises for an odd picture into a GFMError that names the picture."""
    try:
        yield
    except GFMError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(name) from error
    except UnidentifiedImageError as error:
        text = "not a picture, or damaged; replace the file"
        raise GFMError(f"cannot read {name}: {text}") from error
    except MemoryError as error:
        raise GFMError(f"cannot read {name}: not enough memory") from error
    except OSError as error:
        text = error.strerror or f"{' '.join(str(error).split())}; replace the file"
        raise GFMError(f"cannot read {name}: {text}") from error
    except Exception as error:  # Pillow's readers may raise anything
        text = " ".join(str(error).split()) or type(error).__name__
        raise GFMError(f"cannot read {name}: damaged ({text}); replace the file") from error


def _too_large(name: Path | str) -> GFMError:
    return GFMError(
        f"cannot read {name}: its header declares more than {MOST_PIXELS // 10**6} million pixels; "
        "replace the file, or shrink it"
    )


def read_header(name: Path | str, file: BinaryIO) -> Header:
    """Return the header of a picture.

    Args:
        name: Name of the picture, for messages.
        file: Content of the picture.

    Raises:
        GFMError: The file is unreadable, not a picture, a truncated PNG, or a TIFF that Pillow
            misreads, or has more pixels than :data:`MOST_PIXELS`.
    """
    with describe_faults(name):
        _enable_heic(name, file)
        has_late_metadata = _walk_chunks(name, file)
        file.seek(0)
        with Image.open(file) as image:
            width, height = image.size
            if isinstance(image, TiffImageFile):  # Pillow 12 may have swapped them already
                width, height = image.tag_v2[_WIDTH], image.tag_v2[_HEIGHT]
                if _is_misread(image):
                    raise GFMError(f"cannot read {name}: an unusual TIFF; save it as PNG")
            if width * height > MOST_PIXELS:
                raise _too_large(name)
            # The `getexif` of a PNG decodes all pixels to reach metadata after them.
            get_exif = type(image).getexif if has_late_metadata else Image.Image.getexif
            orientation = get_exif(image).get(_ORIENTATION, 1)
            if orientation not in range(1, 9):
                orientation = 1
            size = (width, height) if orientation >= 5 else (height, width)
            profile = image.info.get("icc_profile")
            return Header(size, image.format or "", image.mode, orientation, profile or None)


def _is_misread(image: TiffImageFile) -> bool:
    """Return whether Pillow decodes a TIFF to wrong values without an error.

    It does so for more than 8 bits in uncompressed planes or with white as 0, for integers of more
    than 16 bits, and for signed ones.
    """
    tags = image.tag_v2
    bits = max(tags.get(_BITS, (1,)))
    is_planar = tags.get(_PLANES) == 2 and tags.get(_COMPRESSION, 1) == 1
    is_white_zero = tags.get(_COLOURS) == 0
    is_wide = bits > 8 and (is_planar or is_white_zero)
    return is_wide or (bits > 16 and image.mode != "F") or 2 in tags.get(_SIGNS, ())


def _enable_heic(name: Path | str, file: BinaryIO) -> None:
    """Register Pillow's HEIC plugin if a picture needs it, whatever its suffix.

    Raises:
        GFMError: The plugin is not installed.
    """
    head = file.read(64)
    file.seek(0)
    brands = head[8 : int.from_bytes(head[:4], "big")]
    if head[4:8] == b"ftyp" and any(brand in brands for brand in _HEIC):
        purpose = f"cannot read {name}: HEIC"
        import_optional("pillow_heif", "heic", purpose).register_heif_opener()


def _walk_chunks(name: Path | str, file: BinaryIO) -> bool:
    """Return whether a PNG has metadata after its pixels.

    Raises:
        GFMError: A chunk extends beyond the end of the file. OpenCV would allocate up to 2 GB for
            the length that a damaged chunk declares.
    """
    if file.read(len(_PNG)) != _PNG:
        return False
    place, size = len(_PNG), file.seek(0, 2)
    has_pixels = has_late_metadata = False
    while place + 8 <= size:
        file.seek(place)
        head = file.read(8)
        kind = head[4:]
        if kind == b"IEND":
            break
        has_late_metadata |= has_pixels and kind in (b"eXIf", b"iTXt", b"tEXt", b"zTXt")
        has_pixels |= kind == b"IDAT"
        place += 12 + int.from_bytes(head[:4], "big")
        if place > size:
            raise GFMError(f"cannot read {name}: truncated or damaged; replace the file")
    return has_late_metadata
