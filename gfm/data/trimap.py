"""Makes trimaps from mattes; all training labels derive from them.

A trimap also holds the erosion (where it is 255) and the dilation (where it is not 0).
"""

import cv2
import numpy as np

from gfm.errors import GFMError
from gfm.rosta import FOREGROUND, TRANSITION


def trimap_from_alpha(alpha: np.ndarray, kernel_size: int) -> np.ndarray:
    """Make a trimap: certain foreground, certain background, and the transition between them.

    It is ``255 * erode(alpha == 255) + 128 * (dilate(alpha > 0) - erode(alpha == 255))`` with an
    elliptic kernel, as in the official GFM code (``gen_trimap_with_dilate``). Pixels beyond the
    border neither erode nor dilate.

    Args:
        alpha: H×W, uint8.
        kernel_size: Side of the kernel in pixels, at least 1.

    Returns:
        H×W, uint8, with the values 0, 128 and 255.

    Raises:
        GFMError: ``alpha`` has a different shape or type.
    """
    if alpha.ndim != 2 or alpha.dtype != np.uint8:
        raise GFMError(f"alpha must be H×W uint8, got {alpha.dtype} of shape {alpha.shape}")
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (kernel_size, kernel_size))
    dilation, erosion = cv2.dilate(alpha, kernel), cv2.erode(alpha, kernel)
    _, possible = cv2.threshold(dilation, 0, TRANSITION, cv2.THRESH_BINARY)
    _, certain = cv2.threshold(erosion, 254, FOREGROUND, cv2.THRESH_BINARY)
    return cv2.max(possible, certain)
