"""What a network may be given; a mistake shows here rather than deep inside a convolution."""

import torch
from torch import Tensor


def check_image(image: Tensor, device: torch.device | None = None) -> None:
    """Checks what costs no time; whether values lie in [0, 1] is left to the caller.

    Args:
        image: N×3×H×W, float.
        device: of the network, where it is known.

    Raises:
        TypeError: it is no tensor, or not of floats.
        ValueError: it has another shape, holds nothing, or lies on another device.
    """
    if not isinstance(image, Tensor):
        raise TypeError(f"image is a {type(image).__name__}: pass a tensor, or use Predictor")
    if not image.is_floating_point():
        raise TypeError(f"image is {image.dtype}: pass floats in [0, 1], bytes divided by 255")
    shape = tuple(image.shape)
    if image.ndim != 4 or image.shape[1] != 3:
        raise ValueError(f"image has shape {shape}: expected (N, 3, H, W), RGB")
    # A graph is made once for all sizes, so it asks for none.
    if not torch.compiler.is_compiling() and 0 in shape:
        raise ValueError(f"image has shape {shape}: pass at least one image of at least one pixel")
    if device is not None and image.device != device:
        raise ValueError(f"image is on {image.device}, the network on {device}: move one of them")
