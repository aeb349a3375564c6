"""Large pictures: they are looked at smaller, and their mattes enlarged with the detail kept."""

import torch.nn.functional as F
from torch import Tensor


def looked_at_size(height: int, width: int, max_size: int | None) -> tuple[int, int]:
    """(height, width) whose shorter side is at most ``max_size``, of nearly the same shape."""
    shorter = min(height, width)
    if max_size is None or shorter <= max_size:
        return height, width
    return max_size * height // shorter, max_size * width // shorter


def shrink(image: Tensor, max_size: int | None) -> Tensor:
    """What the network looks at: N×3×H×W float32 in [0, 1], its shorter side at most ``max_size``.

    With anti-aliasing. The official test shrinks linearly without it, so that fur sparkles.

    Args:
        image: N×3×H×W, uint8 or float in [0, 1].
        max_size: in pixels; ``None`` keeps the size.
    """
    small = image / 255 if not image.is_floating_point() else image.float()
    size = looked_at_size(image.shape[-2], image.shape[-1], max_size)
    if size == tuple(image.shape[-2:]):
        return small
    return F.interpolate(small, size, mode="bilinear", antialias=True, align_corners=False)


def enlarge(alpha: Tensor, small: Tensor, image: Tensor) -> Tensor:
    """The matte of the small picture at the size of the image, linearly."""
    return F.interpolate(alpha, image.shape[-2:], mode="bilinear", align_corners=False)
