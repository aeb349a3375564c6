"""Resizes photos and mattes like the official test code."""

from fractions import Fraction
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from gfm.inference.dense_resizing import resize_densely

_MULTIPLE = 32


@lru_cache(maxsize=32)  # recomputing and copying them would stall a GPU at every frame of a clip
@torch.inference_mode(mode=False)  # so that later calls can compute gradients
def _taps(length: int, target: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the indices and weights of the pixels that contribute to each target pixel.

    Both have shape target×taps: indices are int64, weights float32 with sum 1. There are 2 taps for
    enlarging, 6 for shrinking to a half, and 10 for shrinking to a third.
    """
    sigma = max((length / target - 1) / 2, 0)
    radius = int(4 * sigma + 0.5)
    # Computed on the CPU, because Apple GPUs do not support float64.
    offsets = torch.arange(-radius, radius + 2, device="cpu")
    gauss = torch.exp(-0.5 * (offsets[:-1].double() / (sigma or 1)).square())
    gauss = gauss / gauss.sum()

    # Interpolate linearly between the Gaussians around the two nearest pixels.
    centres = torch.arange(target, dtype=torch.float64, device="cpu") + 0.5
    position = centres * (length / target) - 0.5
    low = position.floor()
    after = (position - low)[:, None]
    weights = F.pad(gauss, (0, 1)) * (1 - after) + F.pad(gauss, (1, 0)) * after

    period = max(2 * length - 2, 1)  # mirror at the border pixels, repeatedly
    indices = (low.long()[:, None] + offsets).abs() % period
    indices = torch.minimum(indices, period - indices)
    return indices.to(device), weights.float().to(device)


def _resize_rows(image: Tensor, target: int) -> Tensor:
    """Resize N×C×H×W to ``target`` rows."""
    length = image.shape[-2]
    if length == target:
        return image
    # Fake tensors belong to one mode of torch, so they are not kept for later images.
    find_taps = _taps if type(image) is Tensor else _taps.__wrapped__
    indices, weights = find_taps(length, target, image.device)
    result = image.new_zeros((*image.shape[:-2], target, image.shape[-1]))
    for index, weight in zip(indices.T, weights.T, strict=True):
        result.addcmul_(image.index_select(-2, index), weight[:, None])
    return result


def resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize N×C×H×W floats in [0, 1] to (height, width) linearly, in float32.

    Sides that shrink are first smoothed by a Gaussian with sigma (factor - 1) / 2.

    This equals ``skimage.transform.resize`` with its defaults, as in the official code. It mirrors
    the image at the border, whereas ``torch.nn.functional.interpolate`` repeats the last pixel. It
    selects and adds rows instead of multiplying by a matrix, because GPUs may round the factors of
    matrix products to 10 bits (TF32), which would make equal pixels unequal.
    """
    if torch.compiler.is_exporting():
        return resize_densely(image, size).clamp(0, 1)
    height, width = size
    rows = _resize_rows(image.float(), height)
    # Columns are resized as rows, because selecting whole rows is many times faster.
    columns = _resize_rows(rows.transpose(-1, -2).contiguous(), width)
    return columns.transpose(-1, -2).clamp(0, 1)


def scaled_size(height: int, width: int, scale: float, max_size: int) -> tuple[int, int]:
    """Scale (height, width) down to multiples of 32, at least 32 and at most ``max_size``."""
    # In integers, like the sides in an exported graph, so that 1/3 is exact rather than 0.333…
    exact = Fraction(scale).limit_denominator(1_000_000)

    def side(length: int) -> int:
        multiples = length * exact.numerator // (exact.denominator * _MULTIPLE)
        at_most = torch.sym_min(max_size // _MULTIPLE, multiples)
        return _MULTIPLE * torch.sym_max(1, at_most)  # type: ignore[return-value]  # ints give an int

    return side(height), side(width)
