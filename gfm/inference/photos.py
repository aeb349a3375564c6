"""Photos as people have them: turned by their EXIF tag, in any colour space and common format."""

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from gfm.errors import GFMError
from gfm.inference.pictures import to_rgb
from gfm.system.files import check_file

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif"),
    *(".tif", ".tiff", ".bmp"),
)
"""Of files that count as photos in a folder; a file given by name may have any."""

STDIN = Path("-")
"""Stands for standard input."""


def read_photo(path: Path) -> np.ndarray:
    """H×W×3 uint8, upright and in sRGB, of a file or of :data:`STDIN`.

    The orientation that EXIF notes is applied. Colours of a file with an ICC profile are converted
    from it to sRGB, by perceptual intent; files without one are taken for sRGB. Opacity is ignored,
    16 bits are reduced to 8.

    Raises:
        GFMError: the file is missing, damaged or no picture.
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
    except Exception as error:  # Pillow's decoders raise of every kind at an odd file
        text = " ".join(str(error).split()) or type(error).__name__
        raise GFMError(f"cannot read {name}: {text}") from error


def _to_srgb(image: Image.Image) -> Image.Image:
    """RGB of 8 bits."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I"):  # grey of 16 bits, which has no profile of colours
        image = to_rgb(image).convert("L")
    elif image.mode in ("P", "PA", "LA", "RGBA", "RGBX", "1"):
        image = image.convert("L" if image.mode in ("LA", "1") else "RGB")
    if profile:
        try:
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, own, _SRGB, outputMode="RGB")
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a broken profile, or one of other channels: the file counts as sRGB
    return to_rgb(image)


_SRGB = ImageCms.createProfile("sRGB")
