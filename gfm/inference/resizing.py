"""Resizing of photos and mattes as the official test code does it."""

from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor

from gfm.inference.dense_resizing import resize_densely

_MULTIPLE = 32


def _taps(length: int, target: int) -> tuple[Tensor, Tensor]:
    """Which of ``length`` pixels make each of ``target`` pixels, and how much each counts.

    Returns:
        indices, int64, and weights, float32, which add up to 1; both target×taps. There are 2 taps
        where pixels grow in number, 6 where they halve, 10 where a third is left.
    """
    sigma = max((length / target - 1) / 2, 0)
    radius = int(4 * sigma + 0.5)
    offsets = torch.arange(-radius, radius + 2)
    gauss = torch.exp(-0.5 * (offsets[:-1].double() / (sigma or 1)).square())
    gauss = gauss / gauss.sum()

    # The Gaussian around the two nearest pixels, weighed by how near they are.
    position = (torch.arange(target, dtype=torch.float64) + 0.5) * (length / target) - 0.5
    low = position.floor()
    after = (position - low)[:, None]
    weights = F.pad(gauss, (0, 1)) * (1 - after) + F.pad(gauss, (1, 0)) * after

    period = max(2 * length - 2, 1)  # mirrored at the border pixels, as often as it takes
    indices = (low.long()[:, None] + offsets).abs() % period
    return torch.minimum(indices, period - indices), weights.float()


def _resize_rows(image: Tensor, target: int) -> Tensor:
    """``N×C×H×W`` to as many rows as asked for."""
    length = image.shape[-2]
    if length == target:
        return image
    indices, weights = (part.to(image.device) for part in _taps(length, target))
    result = image.new_zeros((*image.shape[:-2], target, image.shape[-1]))
    for index, weight in zip(indices.T, weights.T, strict=True):
        result.addcmul_(image.index_select(-2, index), weight[:, None])
    return result


def resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Linear resizing, after a Gaussian of sigma (factor - 1) / 2 where it shrinks.

    The same as ``skimage.transform.resize`` with its defaults, which the official code uses: it
    mirrors at the border, where ``torch.nn.functional.interpolate`` repeats the last pixel. Rows
    are picked and added up rather than multiplied by a matrix, since GPUs round the operands of a
    matrix product to 10 bits: equal pixels would no longer stay equal.

    Args:
        image: N×C×H×W in [0, 1], float.
        size: (height, width) of the result.

    Returns:
        float32 in [0, 1].
    """
    if torch.compiler.is_exporting():
        return resize_densely(image, size).clamp(0, 1)
    height, width = size
    rows = _resize_rows(image.float(), height)
    # Columns as rows: whole rows are picked many times faster than single pixels.
    columns = _resize_rows(rows.transpose(-1, -2).contiguous(), width)
    return columns.transpose(-1, -2).clamp(0, 1)


def scaled_size(height: int, width: int, scale: float, max_size: int) -> tuple[int, int]:
    """Sides times ``scale``, down to multiples of 32, at least 32 and at most ``max_size``."""
    # In whole numbers, which sides are in an exported graph as well: 1/3 is meant, not 0.333…
    exact = Fraction(scale).limit_denominator(1_000_000)

    def side(length: int) -> int:
        multiples = length * exact.numerator // (exact.denominator * _MULTIPLE)
        at_most = torch.sym_min(max_size // _MULTIPLE, multiples)
        return _MULTIPLE * torch.sym_max(1, at_most)  # type: ignore[return-value]  # int of ints

    return side(height), side(width)
