"""Converts pictures from Pillow, NumPy or torch to batches of tensors, and results back."""

from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gfm.errors import GFMError

Picture = TypeVar("Picture", Image.Image, np.ndarray, Tensor)
"""Kind of a picture; results are of the same kind."""

_SHAPES = "an array H×W×3 or N×H×W×3, or a tensor 3×H×W or N×3×H×W"


def to_batch(picture: Image.Image | np.ndarray | Tensor) -> Tensor:
    """Convert a picture, or several of the same size, to a batch.

    Args:
        picture: A Pillow image of any mode, an RGB array H×W×3 or N×H×W×3, or an RGB tensor 3×H×W
            or N×3×H×W. Values are uint8, uint16 (only arrays), or floats in [0, 1].

    Returns:
        N×3×H×W, uint8 or float32 in [0, 1].

    Raises:
        GFMError: The picture has another shape, type or range.
    """
    if isinstance(picture, Image.Image):
        array = np.array(picture.convert("RGB"))
        return torch.from_numpy(array).permute(2, 0, 1)[None]
    if isinstance(picture, np.ndarray):
        if picture.dtype == np.uint16:
            picture = picture.astype(np.float32) / 65535
        tensor = torch.from_numpy(np.ascontiguousarray(picture))
        tensor = tensor.movedim(-1, -3) if tensor.ndim in (3, 4) else tensor
    else:
        tensor = picture
    if tensor.ndim not in (3, 4) or tensor.shape[-3] != 3 or 0 in tensor.shape:
        raise GFMError(f"a picture of shape {tuple(picture.shape)}: give {_SHAPES}")
    tensor = tensor if tensor.ndim == 4 else tensor[None]
    if tensor.dtype == torch.uint8:
        return tensor
    if not tensor.is_floating_point():
        raise GFMError(f"a picture of {picture.dtype}: give uint8, or floats in [0, 1]")
    low, high = (x.item() for x in tensor.aminmax())
    if not (low >= 0 and high <= 1):  # also true for NaN
        raise GFMError(f"a picture of floats from {low:g} to {high:g}: give uint8, or [0, 1]")
    return tensor.float()


def like(picture: Picture, result: Tensor) -> Picture:
    """Convert a result to the same kind of object as the picture that it was made from.

    Args:
        picture: Picture as in :func:`to_batch`.
        result: N×C×H×W in [0, 1], with one channel (matte), three (RGB) or four (RGBA).

    Returns:
        For a Pillow image, one of mode L, RGB or RGBA. For an array, one of shape (N×)H×W or
        (N×)H×W×C; mattes are float32, and colours are uint8 if the picture was, else float32. For a
        tensor, one of shape (N×)C×H×W, float32, on the device of the picture.
    """
    if isinstance(picture, Image.Image):
        return Image.fromarray(_channels_last(to_bytes(result[0])))
    if isinstance(picture, np.ndarray):
        has_bytes = picture.dtype == np.uint8 and result.shape[1] > 1
        result = to_bytes(result) if has_bytes else result.float()
        return _channels_last(result if picture.ndim == 4 else result[0])
    result = result.float().to(picture.device)
    return result if picture.ndim == 4 else result[0]


def to_bytes(result: Tensor) -> Tensor:
    """Convert [0, 1] to uint8 by rounding."""
    return (result * 255).round_().clamp_(0, 255).to(torch.uint8)


def _channels_last(result: Tensor) -> np.ndarray:
    array = result.movedim(-3, -1).contiguous().cpu().numpy()
    return array[..., 0] if array.shape[-1] == 1 else array
