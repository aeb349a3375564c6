"""Colours of the foreground: what a cut-out shows where a picture mixes them with its background.

A pixel of hair shows I = α·F + (1 - α)·B. Over another background I itself leaves a halo of the
old one; F does not. Two estimates:

- ``blur``: blur fusion (Forte & Pitié, Approximate Fast Foreground Colour Estimation, ICIP 2021)
  takes smooth F and B from the neighbourhood, and corrects F by what these leave unexplained.
- ``ml``: pymatting's multi-level estimate (Germer et al., 2020), on the CPU.

``docs/predicting.md`` compares them.
"""

from collections.abc import Iterator
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from gfm.errors import GFMError

ForegroundMethod = Literal["blur", "ml"]

_RADII = (90, 6)  # of the neighbourhoods of both passes, as in the paper
_HALO = 112  # more than both passes reach; a multiple of every cell's side
_STRIP_PIXELS = 4_000_000  # of a picture at a time; float32 of all its layers take 100 bytes each


def check_foreground_method(method: str) -> None:
    """Raises a GFMError unless :func:`estimate_foreground` knows the method and can run it."""
    if method not in get_args(ForegroundMethod):
        raise GFMError(f"unknown foreground colours {method!r}: choose blur or ml")
    if method == "ml":
        try:
            import pymatting  # noqa: F401
        except ImportError as error:
            raise GFMError(
                "pymatting is missing: pip install 'gfm-matting[prepare]', or choose blur"
            ) from error


@torch.no_grad()
def estimate_foreground(image: Tensor, alpha: Tensor, method: ForegroundMethod = "blur") -> Tensor:
    """Colours of the foreground, N×3×H×W, float32 in [0, 1].

    They go on for a few pixels beyond the foreground, so that a cut-out can be resized, and are
    black beyond those.

    Args:
        image: N×3×H×W, uint8 or float in [0, 1].
        alpha: N×1×H×W in [0, 1], on the same device.
        method: see the module.
    """
    if method == "ml":
        return _multi_level(image, alpha)
    result = torch.empty(image.shape, device=image.device)
    for rows, padded, inner in _strips(image.shape[-2], image.shape[-1]):
        part, opacity = image[..., padded, :], alpha[..., padded, :].float()
        part = part / 255 if part.dtype == torch.uint8 else part.float()
        result[..., rows, :] = _blur_fusion(part, opacity)[..., inner, :]
    return result


def _strips(height: int, width: int) -> Iterator[tuple[slice, slice, slice]]:
    """Rows of a strip, the rows that count for them, and where in these the strip lies."""
    step = max(_STRIP_PIXELS // width // _HALO, 1) * _HALO
    for top in range(0, height, step):
        bottom = min(top + step, height)
        first = max(top - _HALO, 0)
        padded = slice(first, min(bottom + _HALO, height))
        yield slice(top, bottom), padded, slice(top - first, bottom - first)


def _blur_fusion(image: Tensor, alpha: Tensor) -> Tensor:
    foreground = background = image
    for radius in _RADII:
        foreground, background = _fuse(image, foreground, background, alpha, radius)
    return torch.where(alpha < 1, foreground, image)


def _fuse(
    image: Tensor, foreground: Tensor, background: Tensor, alpha: Tensor, radius: int
) -> tuple[Tensor, Tensor]:
    """One pass: F̂ and B̂ are means weighted by α and 1 - α, F = F̂ + α·(I - α·F̂ - (1 - α)·B̂).

    Returns:
        F in [0, 1], and B̂.
    """
    rest = 1 - alpha
    mean_f = _mean_nearby(foreground, alpha, radius)
    mean_b = _mean_nearby(background, rest, radius)
    unexplained = image - alpha * mean_f - rest * mean_b
    return (mean_f + alpha * unexplained).clamp(0, 1), mean_b


def _mean_nearby(colours: Tensor, weights: Tensor, radius: int) -> Tensor:
    """Σ weight·colour / Σ weight over the square of that radius; black where no weight is.

    Summed over cells of up to 8 pixels first, which takes a fraction of the time; on the demo the
    colours are as good (6.29 of 255 off instead of 6.30).
    """
    height, width = weights.shape[-2:]
    side = min(8, radius // 3)
    cells = torch.cat([colours * weights, weights], dim=1)
    cells = F.avg_pool2d(cells, side, ceil_mode=True, count_include_pad=False)
    reach = round(radius / side)
    cells = F.avg_pool2d(cells, (2 * reach + 1, 1), 1, (reach, 0))
    cells = F.avg_pool2d(cells, (1, 2 * reach + 1), 1, (0, reach))
    means = cells[:, :3] / cells[:, 3:].clamp(min=1e-6)
    means = F.interpolate(means, scale_factor=side, mode="bilinear", align_corners=False)
    return means[..., :height, :width]


def _multi_level(image: Tensor, alpha: Tensor) -> Tensor:
    check_foreground_method("ml")
    # Here, since importing it takes seconds, and it compiles for a minute the first time.
    from pymatting.foreground.estimate_foreground_ml import estimate_foreground_ml

    found = []
    for one, opacity in zip(image, alpha, strict=True):
        colours = one / 255 if one.dtype == torch.uint8 else one
        array = estimate_foreground_ml(
            colours.permute(1, 2, 0).double().cpu().numpy(), opacity[0].double().cpu().numpy()
        )
        found.append(torch.from_numpy(array).permute(2, 0, 1).float())
    return torch.stack(found).clamp(0, 1).to(image.device)
