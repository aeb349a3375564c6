"""Blurs, blends and adds noise to the layers of a composite."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from gfm.data.backgrounds import fit_background
from gfm.data.images import check_size, read_image
from gfm.data.transforms import Crop

_ROWS = 64  # rows that are blended at a time, so that the intermediate arrays stay in the cache


@dataclass(frozen=True)
class Parts:
    """The layers of a composite's crop, and how to combine them.

    Attributes:
        foreground: Crop of the foreground, H×W×3, uint8.
        background: Crop of the background, of the same shape. If it is still to be blurred, this is
            the whole window plus the margin that the filter reads: ``blur_size // 2`` pixels above
            and to the left, and ``blur_size - 1`` in total along each axis.
        blur_size: Side of the box filter in pixels; 0 leaves the background sharp.
        noise_sigma: Standard deviation of the noise, on the scale of 0..255; 0 adds none.
        noise_seed: Seed of the noise.
    """

    foreground: np.ndarray
    background: np.ndarray
    blur_size: int = 0
    noise_sigma: float = 0.0
    noise_seed: int = 0


def read_crop(path: Path, size: tuple[int, ...], crop: Crop) -> np.ndarray:
    """Read the crop of a picture, which must have the same size as its matte.

    Args:
        path: File of the picture.
        size: (height, width) of the matte.
        crop: Part to return.

    Raises:
        GFMError: The picture is unreadable, or its size differs from that of its matte.
    """
    image = read_image(path)
    check_size(path, image.shape[:2], "its matte", size)
    return crop.of(image)


def blur(parts: Parts, crop: Crop) -> Parts:
    """Return the parts with the background blurred, unless ``blur_size`` is 0."""
    size = parts.blur_size
    if not size:
        return parts
    window = crop.window._replace(top=size // 2, left=size // 2)
    blurred = crop.subsample(window.of(cv2.blur(parts.background, (size, size))))
    return replace(parts, background=blurred, blur_size=0)


def blend(foreground: np.ndarray, background: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return ``alpha · foreground + (1 - alpha) · background``, rounded.

    Args:
        foreground: H×W×3, uint8.
        background: H×W×3, uint8.
        alpha: H×W, uint8; 255 stands for 1.

    Returns:
        H×W×3, uint8.
    """
    blended = background.copy()
    for start in range(0, len(alpha), _ROWS):
        rows = slice(start, start + _ROWS)
        opaque = np.flatnonzero(alpha[rows].any(axis=0))
        if not len(opaque):
            continue
        part = rows, slice(opaque[0], opaque[-1] + 1)
        weight: np.ndarray = cv2.merge([alpha[part]] * 3).astype(np.uint16)
        total = foreground[part] * weight + background[part] * (255 - weight) + 128
        # Divide by 255 and round. (The official code truncates, which darkens composites by
        # half a step.)
        blended[part] = (total + (total >> 8)) >> 8
    return blended


def add_noise(layers: Sequence[np.ndarray], sigma: float, seed: int) -> list[np.ndarray]:
    """Add the same Gaussian noise to every layer.

    Args:
        layers: Layers of one shape H×W×3, uint8.
        sigma: Standard deviation, on the scale of 0..255.
        seed: Seed of the noise.

    Returns:
        The layers with noise, H×W×3, uint8.
    """
    height, width, channels = layers[0].shape
    cv2.setRNGSeed(seed)
    field = cv2.randn(
        np.empty((height, width * channels), np.int16), np.zeros(1), np.full(1, sigma)
    )
    field = field.reshape(height, width, channels)
    # cv2.add saturates; in the official code 270 wraps round to 14.
    return [cv2.add(layer, field, dtype=cv2.CV_8U) for layer in layers]


def read_photo(path: Path, alpha: np.ndarray, scene: Path | None) -> np.ndarray:
    """Read a validation photo, H×W×3 uint8; a cut-out is blended over its scene."""
    image = read_image(path)
    return blend(image, fit_background(scene, alpha.shape), alpha) if scene else image
