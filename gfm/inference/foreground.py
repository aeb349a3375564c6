"""Estimates the colours of the foreground, which soft edges mix with those of the background.

A pixel of hair shows I = α·F + (1 - α)·B. On a new background, the colour I would leave a halo of
the old background; F does not. There are two estimates of F:

- ``blur``: blur fusion (Forte & Pitié, Approximate Fast Foreground Colour Estimation, ICIP 2021)
  averages F and B over the neighbourhood, and then corrects F so that the pixel is explained.
- ``ml``: pymatting's multi-level estimate (Germer et al., 2020), on the CPU.

``docs/predicting.md`` compares them.
"""

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from gfm.errors import GFMError

ForegroundMethod = Literal["blur", "ml"]

_SHORTER_SIDE = 1080  # of pictures for which the radii below are meant; others scale them
_RADII = (90, 6)  # of the neighbourhoods in the two passes, as in the paper
_CELLS = (8, 2)  # sides of the cells that are averaged first
_STRIP_PIXELS = 4_000_000  # pixels computed at a time, besides the margin that they depend on


class _Pass(NamedTuple):
    radius: int
    cell: int


def _passes(height: int, width: int) -> list[_Pass]:
    """Return the passes for a picture of this size.

    The paper gives a single pair of radii. On the demo data, radii in proportion to the picture are
    better at every other size: the error is 12.1 of 255 instead of 15.9 at 240 pixels, 7.8 instead
    of 8.8 at 540, and 4.3 instead of 4.4 at 2160.
    """
    scale = min(height, width) / _SHORTER_SIDE
    return [
        _Pass(max(1, round(radius * scale)), _power_of_two(cell * scale))
        for radius, cell in zip(_RADII, _CELLS, strict=True)
    ]


def _power_of_two(number: float) -> int:
    """Return the nearest power of two, at least 1, so that no small cell crosses large ones."""
    return int(2 ** max(round(math.log2(number)), 0))


def check_foreground_method(method: str) -> None:
    """Check that :func:`estimate_foreground` knows a method and can run it.

    Raises:
        GFMError: The method is unknown, or its package is not installed.
    """
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
    """Estimate the colours of the foreground.

    The colours continue for a few pixels outside the foreground, so that a cut-out can be resized;
    further outside they are black.

    Args:
        image: N×3×H×W, uint8 or float in [0, 1].
        alpha: N×1×H×W in [0, 1], on the same device.
        method: ``blur`` or ``ml``, described at the top of this module.

    Returns:
        N×3×H×W, float32 in [0, 1].
    """
    if method == "ml":
        return _multi_level(image, alpha)
    passes = _passes(image.shape[-2], image.shape[-1])
    unit = max(step.cell for step in passes)
    halo = sum(step.radius + 2 * step.cell for step in passes)
    halo = -(-halo // unit) * unit  # whole cells, so that they lie as in the whole picture
    result = torch.zeros(image.shape, device=image.device)
    top, bottom = _extent(alpha, -2, halo, unit)
    left, right = _extent(alpha, -1, halo, unit)
    inside, near = result[..., left:right], image[..., left:right]
    for rows, padded, inner in _strips(top, bottom, right - left, halo, unit):
        opacity = alpha[..., padded, left:right].float()
        part = near[..., padded, :].contiguous()
        part = part / 255 if part.dtype == torch.uint8 else part.float()
        inside[..., rows, :] = _blur_fusion(part, opacity, passes)[..., inner, :]
    return result


def _extent(alpha: Tensor, dim: int, halo: int, unit: int) -> tuple[int, int]:
    """Return the first and last index of the foreground, with the margin that it depends on."""
    others = [d % 4 for d in (0, 1, -2, -1) if d != dim]
    found = (alpha.amax(others) > 0).nonzero()
    if not len(found):
        return 0, 0
    first = (int(found[0]) - halo) // unit * unit
    return max(first, 0), min(int(found[-1]) + 1 + halo, alpha.shape[dim])


def _strips(
    top: int, bottom: int, width: int, halo: int, unit: int
) -> Iterator[tuple[slice, slice, slice]]:
    """Yield for each strip its rows, the rows it depends on, and its place in the latter."""
    step = max(_STRIP_PIXELS // max(width, 1) // unit, 1) * unit
    for start in range(top, bottom, step):
        end = min(start + step, bottom)
        first = max(start - halo, top)
        padded = slice(first, min(end + halo, bottom))
        yield slice(start, end), padded, slice(start - first, end - first)


def _blur_fusion(image: Tensor, alpha: Tensor, passes: list[_Pass]) -> Tensor:
    foreground = background = image
    for step in passes:
        foreground, background = _fuse(image, foreground, background, alpha, step)
    return torch.where(alpha < 1, foreground, image)


def _fuse(
    image: Tensor, foreground: Tensor, background: Tensor, alpha: Tensor, step: _Pass
) -> tuple[Tensor, Tensor]:
    """Compute one pass: F = F̂ + α·(I - α·F̂ - (1 - α)·B̂).

    F̂ and B̂ are the means over the neighbourhood, weighted by α and 1 - α.

    Returns:
        F in [0, 1], and B̂.
    """
    mean_f = _mean_nearby(foreground, alpha, step)
    mean_b = _mean_nearby(background, 1 - alpha, step)
    # I - α·F̂ - (1 - α)·B̂, in fewer walks over the picture.
    unexplained = (image - mean_b).addcmul_(alpha, mean_b - mean_f)
    return mean_f.addcmul(alpha, unexplained).clamp_(0, 1), mean_b


def _mean_nearby(colours: Tensor, weights: Tensor, step: _Pass) -> Tensor:
    """Compute Σ weight·colour / Σ weight over a square; black where all weights are 0.

    Colours are averaged over cells first, which takes a fraction of the time. On the demo data the
    result is as good: the error is 6.29 of 255 instead of 6.30.
    """
    height, width = weights.shape[-2:]
    # Put together when they are small, which saves a copy of the picture.
    sums = [
        F.avg_pool2d(x, step.cell, ceil_mode=True, count_include_pad=False)
        for x in (colours * weights, weights)
    ]
    cells = torch.cat(sums, dim=1)
    reach = max(round(step.radius / step.cell), 1)
    cells = F.avg_pool2d(cells, (2 * reach + 1, 1), 1, (reach, 0))
    cells = F.avg_pool2d(cells, (1, 2 * reach + 1), 1, (0, reach))
    means = cells[:, :3] / cells[:, 3:].clamp(min=1e-6)
    means = F.interpolate(means, scale_factor=step.cell, mode="bilinear", align_corners=False)
    return means[..., :height, :width]


def _multi_level(image: Tensor, alpha: Tensor) -> Tensor:
    check_foreground_method("ml")
    # Here, because the import takes seconds, and a minute of compiling the first time.
    from pymatting.foreground.estimate_foreground_ml import estimate_foreground_ml

    found = []
    for one, opacity in zip(image, alpha, strict=True):
        colours = one / 255 if one.dtype == torch.uint8 else one
        array = estimate_foreground_ml(
            colours.permute(1, 2, 0).double().cpu().numpy(), opacity[0].double().cpu().numpy()
        )
        found.append(torch.from_numpy(array).permute(2, 0, 1).float())
    return torch.stack(found).clamp(0, 1).to(image.device)
