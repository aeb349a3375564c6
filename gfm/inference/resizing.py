"""Resizing of photos and mattes as the official test code does it."""

from fractions import Fraction

import torch
from torch import Tensor

from gfm.inference.dense_resizing import resize_densely

_MULTIPLE = 32


def _resizing_matrix(length: int, target: int, device: torch.device) -> Tensor:
    """Weights of ``length`` pixels in each of ``target`` pixels: target×length, float32."""
    sigma = max((length / target - 1) / 2, 0)
    radius = int(4 * sigma + 0.5)
    taps = torch.arange(-radius, radius + 1, device=device)
    gauss = torch.exp(-0.5 * (taps / sigma).square()) if radius else torch.ones(1, device=device)
    gauss = gauss / gauss.sum()

    position = (torch.arange(target, device=device, dtype=torch.float64) + 0.5) * (length / target)
    low = (position - 0.5).floor()
    after = (position - 0.5 - low).float()
    matrix = torch.zeros(target, length, device=device)
    for pixel, weight in ((low, 1 - after), (low + 1, after)):
        indices = (pixel.long()[:, None] + taps).abs()
        period = max(2 * length - 2, 1)  # mirrored at the border pixels, as often as it takes
        indices = indices % period
        indices = torch.minimum(indices, period - indices)
        matrix.scatter_add_(1, indices, weight[:, None] * gauss)
    return matrix


def resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Linear resizing, after a Gaussian of sigma (factor - 1) / 2 where it shrinks.

    The same as ``skimage.transform.resize`` with its defaults, which the official code uses: it
    mirrors at the border, where ``torch.nn.functional.interpolate`` repeats the last pixel. Both
    steps are linear and separable, hence one matrix per side.

    Args:
        image: N×C×H×W, float.
        size: (height, width) of the result.
    """
    if torch.compiler.is_exporting():
        return resize_densely(image, size)
    height, width = image.shape[-2:]
    with torch.autocast(image.device.type, enabled=False):
        image = image.float()
        if width != size[1]:
            image = image @ _resizing_matrix(width, size[1], image.device).T
        if height != size[0]:
            image = _resizing_matrix(height, size[0], image.device) @ image
    return image


def scaled_size(height: int, width: int, scale: float, max_size: int) -> tuple[int, int]:
    """Sides times ``scale``, down to multiples of 32, at least 32 and at most ``max_size``."""
    # In whole numbers, which sides are in an exported graph as well: 1/3 is meant, not 0.333…
    exact = Fraction(scale).limit_denominator(1_000_000)

    def side(length: int) -> int:
        multiples = length * exact.numerator // (exact.denominator * _MULTIPLE)
        at_most = torch.sym_min(max_size // _MULTIPLE, multiples)
        return _MULTIPLE * torch.sym_max(1, at_most)  # type: ignore[return-value]  # int of ints

    return side(height), side(width)
