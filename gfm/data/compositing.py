"""Reads, resizes and blends the layers of a composite, and adds noise to them."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from gfm.data.images import read_image, read_image_for
from gfm.data.transforms import Crop, Window
from gfm.errors import GFMError


def read_crop(path: Path, size: tuple[int, ...], crop: Crop) -> np.ndarray:
    """Read the crop of a picture that must have the size of its matte.

    Args:
        path: File of the picture.
        size: (height, width) of the matte.
        crop: Part to return.

    Raises:
        GFMError: The picture is unreadable or has another size.
    """
    image = read_image(path)
    if image.shape[:2] != size:
        height, width = image.shape[:2]
        raise GFMError(f"{path} has {height}×{width} pixels, its matte {size[0]}×{size[1]}")
    return crop.of(image)


def blend(foreground: np.ndarray, background: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return ``alpha · foreground + (1 - alpha) · background``, rounded.

    Args:
        foreground: H×W×3, uint8.
        background: H×W×3, uint8.
        alpha: H×W, uint8; 255 stands for 1.

    Returns:
        H×W×3, uint8.
    """
    weight = alpha.astype(np.float32)
    # blendLinear rounds; the official code truncates, which darkens composites by half a step.
    return cv2.blendLinear(foreground, background, weight, 255 - weight)


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


def fit_background(path: Path, size: tuple[int, ...], detail: float = 1) -> np.ndarray:
    """Read a background and resize it to (height, width) without aliasing.

    Args:
        path: File of the background.
        size: Height and width.
        detail: Below 1, the background is first shrunk to this fraction of the size.

    Raises:
        GFMError: The file is unreadable.
    """
    height, width = size
    if detail < 1:
        small = fit_background(
            path, (max(1, round(height * detail)), max(1, round(width * detail)))
        )
        return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    background = read_image_for(path, (height, width))
    # If one side shrinks and the other grows, OpenCV's INTER_AREA interpolates linearly and skips
    # pixels. So each side has its own interpolation, and the side that shrinks is resized first.
    rows = _interpolation(background.shape[0], height)
    columns = _interpolation(background.shape[1], width)
    if rows != columns:
        by_rows, by_columns = (background.shape[1], height), (width, background.shape[0])
        first = by_rows if rows == cv2.INTER_AREA else by_columns
        background = cv2.resize(background, first, interpolation=cv2.INTER_AREA)
        rows = cv2.INTER_LINEAR
    return cv2.resize(background, (width, height), interpolation=rows)


def _interpolation(length: int, target: int) -> int:
    """Return OpenCV's interpolation that resizes one side of a picture without aliasing."""
    # For smaller factors, the Gaussian that scikit-image applies first does not reach neighbours.
    return cv2.INTER_LINEAR if length < 1.5 * target else cv2.INTER_AREA


def blur_window(image: np.ndarray, window: Window, blur_size: int) -> np.ndarray:
    """Blur a window of a picture with a box filter.

    Args:
        image: Whole picture, H×W×3, uint8.
        window: Part to return.
        blur_size: Side of the filter in pixels; 0 leaves the picture sharp.
    """
    if not blur_size:
        return window.of(image)
    outer = window.expand(blur_size, image.shape)
    return window.relative_to(outer).of(cv2.blur(outer.of(image), (blur_size, blur_size)))
