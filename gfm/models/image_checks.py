"""Checks the input of a network, so that a mistake is named before a convolution fails."""

import torch
from torch import Tensor


def check_image(image: Tensor, device: torch.device | None = None) -> None:
    """Check type, shape and device of images, but not their values, which would take time.

    Args:
        image: N×3×H×W, float.
        device: Device of the network; ``None`` if it is not known.

    Raises:
        TypeError: The image is not a tensor of floats.
        ValueError: The image has another shape, is empty, or lies on another device.
    """
    if not isinstance(image, Tensor):
        raise TypeError(f"image is a {type(image).__name__}: pass a tensor, or use Predictor")
    if not image.is_floating_point():
        raise TypeError(f"image is {image.dtype}: pass floats in [0, 1], such as bytes / 255")
    shape = tuple(image.shape)
    if image.ndim != 4 or image.shape[1] != 3:
        raise ValueError(f"image has shape {shape}: expected (N, 3, H, W), RGB")
    # A compiled graph is made once for all sizes, so it must not depend on one.
    if not torch.compiler.is_compiling() and 0 in shape:
        raise ValueError(f"image has shape {shape}: pass at least one image of at least one pixel")
    if device is not None and image.device != device:
        raise ValueError(
            f"image is on {image.device} but the network is on {device}: move one of them"
        )
