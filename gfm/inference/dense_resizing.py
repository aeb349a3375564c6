"""Resizes like :mod:`gfm.inference.resizing`, for exported graphs that take any input size.

There, the number of contributing pixels depends on the size. Here every source pixel contributes to
every target pixel, mostly with weight 0. That is more work, but nothing branches on the size.
"""

import torch
from torch import Tensor


def resize_densely(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize N×C×H×W floats to (height, width), both at least 32 pixels."""
    height, width = image.shape[-2:]
    image = _in_order(image.float()) @ _matrix(width, size[1], image.device).T
    image = _in_order(image.mT) @ _matrix(height, size[0], image.device).T
    return _in_order(image.mT)


def _in_order(image: Tensor) -> Tensor:
    # `contiguous` would branch on the layout, and so on the size.
    return image.clone(memory_format=torch.contiguous_format)


def _matrix(length: int, target: int, device: torch.device) -> Tensor:
    """Return the weights of ``length`` pixels in each of ``target`` pixels, target×length."""
    # A target lies between the pixels `low` and `low + 1`. The 1 is added before dividing, because
    # `low` may be -1 and the dividend must not be negative.
    twice = (2 * torch.arange(target, device=device)[:, None] + 1) * length + target
    low = twice // (2 * target) - 1
    after = (twice - (low + 1) * (2 * target)).float() / (2 * target)

    ratio = torch.full((), length, device=device).double() / target
    sigma = ((ratio - 1) / 2).clamp(min=0)
    radius = (4 * sigma + 0.5).floor()
    # Without smoothing the radius is 0, so the width of the Gaussian does not matter.
    narrowness = (0.5 / sigma.clamp(min=1e-3).square()).float()

    def gauss(distance: Tensor) -> Tensor:
        weight = torch.exp(-narrowness * distance.square())
        return torch.where(distance.abs() <= radius, weight, 0)

    # Mirror at the border pixels without repeating them: their copies are placed out of reach.
    pixel, last, never = torch.arange(length, device=device), length - 1, 3 * length
    before = torch.where(pixel > 0, -pixel, -never)
    behind = torch.where(pixel < last, 2 * last - pixel, never)
    # One tensor for all copies, 3×target×length, which keeps the graph small.
    distance = (torch.stack([pixel, before, behind])[:, None] - low).float()
    matrix = ((1 - after) * gauss(distance) + after * gauss(distance - 1)).sum(dim=0)
    return matrix / matrix.sum(dim=1, keepdim=True)
