"""Reads photos of any common format and colour space, upright and in sRGB."""

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from gfm.errors import GFMError
from gfm.inference.pictures import to_rgb
from gfm.system.files import check_file

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".tif", ".tiff", ".bmp")
"""Suffixes of the photos in a folder; a file given by name may have any suffix."""

STDIN = Path("-")
"""Path that stands for standard input."""

_SRGB = ImageCms.createProfile("sRGB")


def read_photo(path: Path) -> np.ndarray:
    """Read a photo from a file or from :data:`STDIN`, as H×W×3 uint8.

    The EXIF orientation is applied. Colours are converted from the file's ICC profile to sRGB with
    perceptual intent; without a profile they are taken as sRGB. Opacity is ignored, and 16 bits are
    reduced to 8.

    Raises:
        GFMError: The file is missing, damaged or not a picture.
    """
    name = "standard input" if path == STDIN else str(path)
    if path != STDIN:
        check_file(path)
    try:
        source = io.BytesIO(sys.stdin.buffer.read()) if path == STDIN else path
        with Image.open(source) as opened:
            opened.load()
            return np.array(_to_srgb(ImageOps.exif_transpose(opened)))
    except UnidentifiedImageError as error:
        raise GFMError(f"cannot read {name}: not a picture, or damaged") from error
    except OSError as error:
        raise GFMError(f"cannot read {name}: {error.strerror or error}") from error
    except MemoryError as error:
        raise GFMError(f"cannot read {name}: not enough memory") from error
    except Exception as error:  # Pillow's decoders raise many types of errors for odd files
        text = " ".join(str(error).split()) or type(error).__name__
        raise GFMError(f"cannot read {name}: {text}") from error


def _to_srgb(image: Image.Image) -> Image.Image:
    """Convert an image to sRGB with 8 bits per channel."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I"):  # 16-bit grey, which ImageCms cannot convert
        image = to_rgb(image).convert("L")
    elif image.mode in ("P", "PA", "LA", "RGBA", "RGBX", "1", "La", "RGBa"):
        image = image.convert("L" if image.mode in ("LA", "La", "1") else "RGB")
    if profile:
        try:
            embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, embedded, _SRGB, outputMode="RGB")
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # broken, or for different channels: treat the file as sRGB
    return to_rgb(image)
