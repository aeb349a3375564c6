"""Pictures as programs hold them, in Pillow, NumPy or torch, as batches of tensors and back."""

from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gfm.errors import GFMError

Picture = TypeVar("Picture", Image.Image, np.ndarray, Tensor)
"""What goes in, and of which kind what comes out is."""

_SHAPES = "an array H×W×3 or N×H×W×3, or a tensor 3×H×W or N×3×H×W"


def to_batch(picture: Image.Image | np.ndarray | Tensor) -> Tensor:
    """N×3×H×W, uint8 or float32 in [0, 1].

    Args:
        picture: from Pillow in any mode; an array H×W×3 or N×H×W×3; or a tensor 3×H×W or
            N×3×H×W. RGB; of uint8, of uint16 (arrays), or of floats in [0, 1].

    Raises:
        GFMError: another shape, type or range.
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
    if not (low >= 0 and high <= 1):  # not a number as well
        raise GFMError(f"a picture of floats from {low:g} to {high:g}: give uint8, or [0, 1]")
    return tensor.float()


def like(picture: Picture, result: Tensor) -> Picture:
    """A result as the same kind of object as the picture it was made from.

    Args:
        picture: as in :func:`to_batch`.
        result: N×C×H×W in [0, 1], with one channel (a matte), three (RGB) or four (RGBA).

    Returns:
        From Pillow an image of mode L, RGB or RGBA. From an array one of (N×)H×W or (N×)H×W×C:
        mattes are float32, colours uint8 if the picture was, else float32. From a tensor one of
        (N×)C×H×W, float32, on the picture's device.
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
    """From [0, 1] to 0..255, rounded."""
    return (result * 255).round_().clamp_(0, 255).to(torch.uint8)


def _channels_last(result: Tensor) -> np.ndarray:
    array = result.movedim(-3, -1).contiguous().cpu().numpy()
    return array[..., 0] if array.shape[-1] == 1 else array
