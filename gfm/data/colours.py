"""Converts pictures of any colour space to 8-bit sRGB."""

from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

from gfm.errors import GFMError

_SRGB = ImageCms.createProfile("sRGB")
_ROUNDING = 2  # largest change (of 255) that converting sRGB to sRGB may cause


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert an image of any mode to 8-bit RGB, ignoring its opacity and its profile.

    Raises:
        GFMError: The image holds floats, whose white value Pillow does not define.
    """
    if image.mode == "F":
        raise GFMError("picture is a Pillow image of floats (mode F): pass an array in [0, 1]")
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip
        grey = np.asarray(image, dtype=np.float64) / 257
        image = Image.fromarray(np.clip(grey + 0.5, 0, 255).astype(np.uint8))
    elif image.mode in ("La", "RGBa"):  # premultiplied by opacity
        image = image.convert(image.mode.upper())
    return image.convert("RGB")


def to_srgb(image: Image.Image) -> Image.Image:
    """Convert an image of any mode to 8-bit sRGB, from its ICC profile if it has one.

    Raises:
        GFMError: The image holds floats.
    """
    profile = image.info.get("icc_profile")
    mode = profiled_mode(image.mode)
    transform = conversion(profile, mode) if profile else None
    if transform is None:
        return to_rgb(image)
    if image.mode != mode:
        image = image if mode == "CMYK" else to_rgb(image).convert(mode)
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # only in-place conversion returns nothing
    return converted


def profiled_mode(mode: str) -> str:
    """Return the mode that the ICC profile of an image of ``mode`` describes."""
    if mode == "CMYK":
        return mode
    return "L" if mode in ("1", "L", "LA", "La") or mode.startswith("I") else "RGB"


@lru_cache(maxsize=16)
def conversion(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the conversion from a profile to sRGB, with perceptual intent.

    Returns:
        ``None`` if the profile is sRGB, broken, or for channels other than those of ``mode``.
    """
    try:
        embedded = ImageCms.ImageCmsProfile(BytesIO(profile))
        transform = ImageCms.buildTransform(embedded, _SRGB, mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    if mode == "CMYK":
        return transform
    levels = np.linspace(0, 255, 16).astype(np.uint8)
    samples = Image.fromarray(
        np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3)
        if mode == "RGB"
        else levels[None]
    )
    converted = ImageCms.applyTransform(samples, transform)
    assert converted is not None
    change = np.asarray(converted).astype(int) - np.asarray(samples.convert("RGB"))
    return transform if np.abs(change).max() > _ROUNDING else None
