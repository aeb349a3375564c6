"""Layers of a picture: putting them together, and continuing one to where it is hidden."""

import cv2
import numpy as np

from gfm.demo.noise import Array, Image


def compose(foreground: Image, background: Image, alpha: Image) -> Image:
    """``alpha * foreground + (1 - alpha) * background``, rounded; all uint8, alpha 2-D."""
    share = alpha[..., None].astype(np.float32) / 255
    below = background.astype(np.float32)
    return np.round(below + share * (foreground - below)).astype(np.uint8)


def fill_outwards(colour: Array, weight: Array) -> Array:
    """Continue ``colour`` smoothly to where ``weight`` is 0.

    Pushes averages down a pyramid and pulls them up again, so that a pixel far outside gets the
    mean colour of what is nearest to it.

    Args:
        colour: height x width x channels, multiplied with the weight.
        weight: height x width, 0..1.

    Returns:
        height x width x channels, no longer multiplied with the weight.
    """
    height, width = weight.shape
    if max(height, width) <= 2:
        mean = colour.sum(axis=(0, 1)) / max(float(weight.sum()), 1e-6)
        return np.broadcast_to(mean, colour.shape)
    half = ((width + 1) // 2, (height + 1) // 2)
    coarse = fill_outwards(
        cv2.resize(colour, half, interpolation=cv2.INTER_AREA),
        cv2.resize(weight, half, interpolation=cv2.INTER_AREA),
    )
    behind = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    # A weight of 1/4 is enough to trust a pixel on its own.
    trust = np.minimum(4 * weight, 1)[..., None]
    return trust * colour / np.maximum(weight, 1e-6)[..., None] + (1 - trust) * behind
