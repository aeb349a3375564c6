"""Colours of an error: red where a matte is too opaque, blue where it is too transparent."""

import numpy as np

# R, G, B; both are visible on white and on black.
_TOO_OPAQUE = (255, 72, 50)
_TOO_TRANSPARENT = (52, 144, 255)


def error_colours(error: np.ndarray, levels: int = 255) -> np.ndarray:
    """Colour a signed error; the colour is transparent where the alpha is right.

    Args:
        error: H×W in [-1, 1], matte minus ground truth.
        levels: Errors are rounded to multiples of 1 / ``levels``.

    Returns:
        H×W×4 BGRA, uint8.
    """
    steps = np.round(error * levels) / levels
    colours = np.zeros((*error.shape, 4), np.uint8)
    colours[steps > 0, :3] = _TOO_OPAQUE[::-1]
    colours[steps < 0, :3] = _TOO_TRANSPARENT[::-1]
    # The square root shows an error of 0.05, which a linear scale would hide.
    colours[..., 3] = np.round(255 * np.sqrt(np.abs(steps)))
    return colours


def error_picture(error: np.ndarray) -> np.ndarray:
    """Blend the colours of :func:`error_colours` over white, to H×W×3 RGB, uint8."""
    colours = error_colours(error).astype(np.float32)
    opacity = colours[..., 3:] / 255
    on_white = colours[..., :3] * opacity + 255 * (1 - opacity)
    return np.round(on_white[..., ::-1]).astype(np.uint8)
