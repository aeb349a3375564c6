"""Pools to a grid and interpolates a grid where torch's kernels are unsuitable.

With those, an exported graph would accept only one image size, and on CUDA the gradient of pooling
is not deterministic. Here, both are weighted sums over pixels or cells, with weights computed from
the lengths of the sides. Matrix products would be shorter, but GPUs may round their factors to
TF32.
"""

import torch
from torch import Tensor


def pool_to_grid(feature: Tensor, num_cells: int) -> Tensor:
    """Average N×C×H×W over ``num_cells``×``num_cells`` cells, as ``F.adaptive_avg_pool2d`` does."""
    rows, columns = (_pooling_weights(n, num_cells, feature) for n in feature.shape[-2:])
    image = torch.stack([(feature * weights).sum(-1) for weights in columns], dim=-1)
    return torch.stack([(image * weights[:, None]).sum(-2) for weights in rows], dim=-2)


def enlarge_grid(grid: Tensor, height: int, width: int) -> Tensor:
    """Enlarge N×C×n×n to N×C×H×W linearly, as ``F.interpolate`` does with aligned corners."""
    rows, columns = (_interpolation_weights(n, grid) for n in (height, width))
    parts = [grid[..., i : i + 1, :] * weights[:, None] for i, weights in enumerate(rows)]
    image = torch.stack(parts).sum(0)
    parts = [image[..., i : i + 1] * weights for i, weights in enumerate(columns)]
    return torch.stack(parts).sum(0).to(grid.dtype)


def _pooling_weights(length: int, num_cells: int, image: Tensor) -> Tensor:
    """Return the weight of each pixel in the mean of each cell, ``num_cells``×``length``."""
    cell = torch.arange(num_cells, device=image.device)[:, None]
    start = cell * length // num_cells
    end = ((cell + 1) * length + num_cells - 1) // num_cells
    pixel = torch.arange(length, device=image.device)
    return ((pixel >= start) & (pixel < end)).to(image.dtype) / (end - start)


def _interpolation_weights(length: int, grid: Tensor) -> Tensor:
    """Return the weight of each cell in each pixel, n×``length``."""
    cell = torch.arange(grid.shape[-1], device=grid.device)[:, None]
    # At least float32, as in torch's kernel.
    precise = torch.promote_types(grid.dtype, torch.float32)
    pixel = torch.arange(length, device=grid.device, dtype=precise)
    last = torch.sym_max(length - 1, 1)
    position: Tensor = pixel * (grid.shape[-1] - 1) / last  # type: ignore[assignment]
    return (1 - (position - cell).abs()).clamp(min=0)
