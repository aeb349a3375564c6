"""Resizes as :mod:`gfm.inference.resizing` does, for exported graphs of any input size.

There, the number of pixels that contribute depends on the size. Here, every pixel contributes to
every other with a weight that is mostly zero. This takes more work, but no branch that depends on
the size.
"""

import torch
from torch import Tensor


def resize_densely(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize as :func:`gfm.inference.resizing.resize` does.

    Args:
        image: N×C×H×W, float.
        size: (height, width) of the result, both at least 32 pixels.
    """
    height, width = image.shape[-2:]
    image = _in_order(image.float()) @ _matrix(width, size[1], image.device).T
    image = _in_order(image.mT) @ _matrix(height, size[0], image.device).T
    return _in_order(image.mT)


def _in_order(image: Tensor) -> Tensor:
    # Not `contiguous`, which branches on the layout, and so on the size.
    return image.clone(memory_format=torch.contiguous_format)


def _matrix(length: int, target: int, device: torch.device) -> Tensor:
    """Return the weights of ``length`` pixels in each of ``target`` pixels, target×length."""
    # Each target lies between pixels `low` and `low + 1`. They are counted from -1, so that no
    # number is negative.
    twice = (2 * torch.arange(target, device=device)[:, None] + 1) * length + target
    low = twice // (2 * target) - 1
    after = (twice - (low + 1) * (2 * target)).float() / (2 * target)

    ratio = torch.full((), length, device=device).double() / target
    sigma = ((ratio - 1) / 2).clamp(min=0)
    radius = (4 * sigma + 0.5).floor()
    # Without smoothing the radius is 0, so the width of the Gaussian does not matter.
    narrowness = (0.5 / sigma.clamp(min=1e-3).square()).float()

    def gauss(distance: Tensor) -> Tensor:
        weight = torch.exp(-narrowness * distance.float().square())
        return torch.where(distance.abs() <= radius, weight, 0)

    def weights(pixel: Tensor) -> Tensor:
        return (1 - after) * gauss(pixel - low) + after * gauss(pixel - low - 1)

    pixel = torch.arange(length, device=device)[None]
    last = length - 1
    # The image is mirrored at its border pixels, which are not repeated.
    matrix = weights(pixel) + weights(-pixel).where(pixel > 0, 0)
    matrix = matrix + weights(2 * last - pixel).where(pixel < last, 0)
    return matrix / matrix.sum(dim=1, keepdim=True)
