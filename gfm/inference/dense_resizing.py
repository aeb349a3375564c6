"""Resizing as in :mod:`gfm.inference.resizing`, for graphs whose sides are unknown.

There the number of neighbours that count depends on the size. Here every pixel has a weight in
every other, most of them zero, which takes more work and no decision.
"""

import torch
from torch import Tensor


def resize_densely(image: Tensor, size: tuple[int, int]) -> Tensor:
    """The same as :func:`gfm.inference.resizing.resize`, for results of at least 32 pixels a side.

    Args:
        image: N×C×H×W, float.
        size: (height, width) of the result.
    """
    height, width = image.shape[-2:]
    image = _in_order(image.float()) @ _matrix(width, size[1], image.device).T
    image = _in_order(image.mT) @ _matrix(height, size[0], image.device).T
    return _in_order(image.mT)


def _in_order(image: Tensor) -> Tensor:
    # `contiguous` looks whether there is anything to do, which depends on the size.
    return image.clone(memory_format=torch.contiguous_format)


def _matrix(length: int, target: int, device: torch.device) -> Tensor:
    """Weights of ``length`` pixels in each of ``target`` pixels: target×length, float32."""
    # Lies between pixels `low` and `low + 1`; counted from -1, so that nothing is negative.
    twice = (2 * torch.arange(target, device=device)[:, None] + 1) * length + target
    low = twice // (2 * target) - 1
    after = (twice - (low + 1) * (2 * target)).float() / (2 * target)

    ratio = torch.full((), length, device=device).double() / target
    sigma = ((ratio - 1) / 2).clamp(min=0)
    radius = (4 * sigma + 0.5).floor()
    # Where nothing is smoothed the radius is 0, and any width of the Gaussian will do.
    narrowness = (0.5 / sigma.clamp(min=1e-3).square()).float()

    def gauss(distance: Tensor) -> Tensor:
        weight = torch.exp(-narrowness * distance.float().square())
        return torch.where(distance.abs() <= radius, weight, 0)

    def weights(pixel: Tensor) -> Tensor:
        return (1 - after) * gauss(pixel - low) + after * gauss(pixel - low - 1)

    pixel = torch.arange(length, device=device)[None]
    last = length - 1
    # Mirrored at the border pixels, which themselves count once.
    matrix = weights(pixel) + weights(-pixel).where(pixel > 0, 0)
    matrix = matrix + weights(2 * last - pixel).where(pixel < last, 0)
    return matrix / matrix.sum(dim=1, keepdim=True)
