"""Blur fusion, which estimates the colours of the foreground from those of the neighbourhood.

Forte & Pitié, Approximate Fast Foreground Colour Estimation, ICIP 2021: F and B are averaged over
the neighbourhood, and then F is corrected so that the pixel is explained. This is done twice, with
a large and a small neighbourhood.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from gfm.inference.strips import cut_strips

_SHORTER_SIDE = 1080  # of pictures for which the radii below are meant; others scale them
_RADII = (90, 6)  # of the neighbourhoods in the two passes, as in the paper
_CELLS = (8, 2)  # sides of the cells that are averaged first
_CACHED_PIXELS = 100_000  # pixels whose colours a processor keeps near from one step to the next


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


def blur_fusion(image: Tensor, alpha: Tensor) -> Tensor:
    """Estimate the colours of the foreground of whole pictures, strip by strip.

    Args:
        image: N×3×H×W, uint8 or float in [0, 1].
        alpha: N×1×H×W in [0, 1], on the same device.

    Returns:
        N×3×H×W, float32 in [0, 1].
    """
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
        inside[..., rows, :] = _both_passes(part, opacity, passes)[..., inner, :]
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
    for start, end in cut_strips(top, bottom, width, unit):
        first = max(start - halo, top)
        padded = slice(first, min(end + halo, bottom))
        yield slice(start, end), padded, slice(start - first, end - first)


class _Cells(NamedTuple):
    """Means over the cells of the second pass."""

    alpha: Tensor
    alpha2: Tensor  # of α², and so on
    alpha3: Tensor
    image: Tensor
    image_alpha: Tensor
    image_alpha2: Tensor


def _both_passes(image: Tensor, alpha: Tensor, passes: list[_Pass]) -> Tensor:
    """Compute both passes, of which only the last step meets every pixel.

    The second pass averages over small cells. So the first pass is computed for these cells alone:
    its means hardly change inside one, and α and I enter by their moments. On the demo data the
    error stays 6.3 of 255, in half the time.
    """
    coarse, fine = passes
    cells = _average_cells(image, alpha, fine.cell)
    opacity, rest = cells.alpha, 1 - cells.alpha
    mean_f, mean_b = _first_means(cells, coarse, fine)
    # The mean of α·F: of α·F̂ + α²·I - α²·B̂ + α³·(B̂ - F̂).
    weighted = (opacity * mean_f + cells.image_alpha2).addcmul_(cells.alpha2, mean_b, value=-1)
    weighted.addcmul_(cells.alpha3, mean_b - mean_f)
    weighted = torch.minimum(weighted.clamp_(min=0), opacity)  # because F lies in [0, 1]
    fine_f = _mean_nearby(weighted, opacity, fine, 1)
    fine_b = _mean_nearby(rest * mean_b, rest, fine, 1)
    return _explain(image, alpha, fine_f, fine_b, fine.cell)


def _average_cells(image: Tensor, alpha: Tensor, cell: int) -> _Cells:
    parts = []
    for rows in _slices(image, cell):
        near, opacity = image[..., rows, :], alpha[..., rows, :]
        weighted = near * opacity
        square = opacity * opacity
        moments = (opacity, square, square * opacity, near, weighted, weighted * opacity)
        parts.append([_average(x, cell) for x in moments])
    return _Cells(*(torch.cat(part, dim=-2) for part in zip(*parts, strict=True)))


def _first_means(cells: _Cells, coarse: _Pass, fine: _Pass) -> tuple[Tensor, Tensor]:
    """Return F̂ and B̂ of the first pass, for the cells of the second."""
    ratio = coarse.cell // fine.cell
    mean_f = _mean_nearby(cells.image_alpha, cells.alpha, coarse, ratio)
    mean_b = _mean_nearby(cells.image - cells.image_alpha, 1 - cells.alpha, coarse, ratio)
    height, width = cells.alpha.shape[-2:]
    return (
        _enlarge(mean_f, slice(0, height), ratio, width),
        _enlarge(mean_b, slice(0, height), ratio, width),
    )


def _mean_nearby(weighted: Tensor, weights: Tensor, step: _Pass, ratio: int) -> Tensor:
    """Compute Σ weight·colour / Σ weight over a square of cells; black where all weights are 0.

    Args:
        weighted: Mean of weight·colour in each cell of the second pass.
        weights: Mean weight in each.
        step: Pass that asks.
        ratio: Number of those cells along a side of this pass's.
    """
    cells = _average(torch.cat([weighted, weights], dim=1), ratio)
    reach = max(round(step.radius / step.cell), 1)
    cells = _sum_nearby(_sum_nearby(cells, reach, -2), reach, -1)
    return cells[:, :3] / cells[:, 3:].clamp(min=1e-6)


def _average(x: Tensor, cell: int) -> Tensor:
    """Average cells, a power of two wide; in halves, which is faster than ``avg_pool2d``."""
    while cell > 1:
        height, width = x.shape[-2:]
        if height % 2 or width % 2:
            x = F.pad(x, (0, width % 2, 0, height % 2), mode="replicate")
        x = x[..., ::2, :] + x[..., 1::2, :]
        x = (x[..., ::2] + x[..., 1::2]).mul_(0.25)
        cell //= 2
    return x


def _sum_nearby(x: Tensor, reach: int, dim: int) -> Tensor:
    """Sum windows of 2·reach + 1 along a dimension, from windows of 1, 2, 4, … values."""
    padding = (reach, reach) if dim == -1 else (0, 0, reach, reach)
    length, size, rest = x.shape[dim], 1, 2 * reach + 1
    windows, total, start = F.pad(x, padding), torch.zeros_like(x), 0
    while rest:
        if rest % 2:
            total += windows.narrow(dim, start, length)
            start += size
        rest //= 2
        if rest:
            count = windows.shape[dim] - size
            windows = windows.narrow(dim, 0, count) + windows.narrow(dim, size, count)
            size *= 2
    return total


def _explain(image: Tensor, alpha: Tensor, mean_f: Tensor, mean_b: Tensor, cell: int) -> Tensor:
    """Compute F = F̂ + α·(I - α·F̂ - (1 - α)·B̂), in [0, 1], and the image where it is opaque."""
    result = torch.empty_like(image)
    for rows in _slices(image, cell):
        near, opacity = image[..., rows, :], alpha[..., rows, :]
        found, behind = (_enlarge(x, rows, cell, near.shape[-1]) for x in (mean_f, mean_b))
        # In fewer walks over the picture.
        unexplained = (near - behind).addcmul_(opacity, behind - found)
        found = found.addcmul(opacity, unexplained).clamp_(0, 1)
        result[..., rows, :] = torch.where(opacity < 1, found, near)
    return result


def _enlarge(cells: Tensor, rows: slice, cell: int, width: int) -> Tensor:
    """Enlarge the rows of cells that lie under rows of pixels."""
    first = max(rows.start // cell - 1, 0)
    near = cells[..., first : -(-rows.stop // cell) + 1, :]
    near = F.interpolate(near, scale_factor=cell, mode="bilinear", align_corners=False)
    return near[..., rows.start - first * cell : rows.stop - first * cell, :width]


def _slices(image: Tensor, cell: int) -> Iterator[slice]:
    height, width = image.shape[-2:]
    step = max(_CACHED_PIXELS // (width * cell), 1) * cell
    for start in range(0, height, step):
        yield slice(start, min(start + step, height))
