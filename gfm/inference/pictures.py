"""Converts pictures from Pillow, NumPy or torch to batches of tensors, and results back."""

from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gfm.compat.torch import as_tensor
from gfm.data.colours import to_rgb
from gfm.errors import GFMError

Picture = TypeVar("Picture", Image.Image, np.ndarray, Tensor)
"""Type of a picture; results have the same type."""

_SHAPES = "an array H×W×3 or N×H×W×3, or a tensor 3×H×W or N×3×H×W"
_DTYPES = "pass uint8, or floats in [0, 1]"


def to_batch(picture: Image.Image | np.ndarray | Tensor) -> Tensor:
    """Convert a picture, or several of the same size, to N×3×H×W, uint8 or float32 in [0, 1].

    Args:
        picture: A Pillow image of any mode, an RGB array H×W×3 or N×H×W×3, or an RGB tensor 3×H×W
            or N×3×H×W. Values are uint8, uint16 (only arrays), or floats in [0, 1].

    Raises:
        GFMError: The picture has a different shape, type or range.
    """
    tensor = _to_tensor(picture)
    if tensor.ndim not in (3, 4) or tensor.shape[-3] != 3 or 0 in tensor.shape:
        shape = picture.size[::-1] if isinstance(picture, Image.Image) else tuple(picture.shape)
        raise GFMError(f"picture has shape {shape}: pass {_SHAPES}")
    tensor = tensor if tensor.ndim == 4 else tensor[None]
    if tensor.dtype == torch.uint8:
        return tensor
    if not tensor.is_floating_point():
        raise GFMError(f"picture is {tensor.dtype}: {_DTYPES}")
    low, high = (x.item() for x in tensor.aminmax())
    if not (low >= 0 and high <= 1):  # also true for NaN
        raise GFMError(f"picture ranges from {low:g} to {high:g}: {_DTYPES}")
    return tensor.float()


def _to_tensor(picture: Any) -> Tensor:
    """Convert a picture of any dtype to a tensor with the channels before height and width."""
    if isinstance(picture, Image.Image):
        picture = np.array(to_rgb(picture))
    if isinstance(picture, np.ndarray):
        if picture.dtype.kind == "u" and picture.dtype.itemsize == 2:
            picture = picture.astype(np.float32) / 65535
        try:
            tensor = as_tensor(picture)
        except TypeError as error:
            raise GFMError(f"picture is {picture.dtype}: {_DTYPES}") from error
        return tensor.movedim(-1, -3) if tensor.ndim in (3, 4) else tensor
    if not isinstance(picture, Tensor):
        raise GFMError(f"picture is a {type(picture).__name__}: pass a Pillow image, {_SHAPES}")
    if picture.is_meta or picture.layout != torch.strided:
        raise GFMError("picture is a sparse or meta tensor: pass a dense one")
    return picture


def convert_like(picture: Picture, result: Tensor) -> Picture:
    """Convert a result to the type of the picture from which it was made.

    Args:
        picture: See :func:`to_batch`.
        result: N×C×H×W in [0, 1], with one channel (matte), three (RGB) or four (RGBA).

    Returns:
        A Pillow image of mode L, RGB or RGBA; an array of shape (N×)H×W or (N×)H×W×C, which is
        uint8 for colours if the picture is uint8, and float32 otherwise; or a float32 tensor of
        shape (N×)C×H×W on the device of the picture.
    """
    if isinstance(picture, Image.Image):
        return Image.fromarray(channels_last(to_bytes(result[0])))
    if isinstance(picture, np.ndarray):
        has_bytes = picture.dtype == np.uint8 and result.shape[1] > 1
        result = to_bytes(result) if has_bytes else result.float()
        return channels_last(result if picture.ndim == 4 else result[0])
    result = result.float().to(picture.device)
    return result if picture.ndim == 4 else result[0]


def to_bytes(result: Tensor) -> Tensor:
    """Convert [0, 1] to uint8 by rounding."""
    return (result * 255).round_().clamp_(0, 255).to(torch.uint8)


def channels_last(result: Tensor) -> np.ndarray:
    """Convert (N×)C×H×W to an array (N×)H×W×C, or (N×)H×W if C is 1."""
    array = result.movedim(-3, -1).contiguous().cpu().numpy()
    return array[..., 0] if array.shape[-1] == 1 else array
