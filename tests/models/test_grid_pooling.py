"""Pooling and interpolating by weights equal torch's kernels for every size; so does padding."""

import pytest
import torch
import torch.nn.functional as F

from gfm.models.blocks import pad_to_multiple
from gfm.models.grid_pooling import enlarge_grid, pool_to_grid

SIDES = [(h, w) for h in range(1, 40) for w in (1, 2, 4, 5, 7, 33, 50)]


@pytest.mark.parametrize("num_cells", [1, 3, 5])
def test_pooling(num_cells):
    for size in SIDES:
        feature = torch.randn(2, 3, *size)
        expected = F.adaptive_avg_pool2d(feature, num_cells)
        torch.testing.assert_close(pool_to_grid(feature, num_cells), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("num_cells", [1, 3, 5])
def test_enlarging(num_cells):
    # In float64, because torch computes positions in the dtype of the grid, and rounds differently.
    grid = torch.randn(2, 3, num_cells, num_cells, dtype=torch.float64)
    for size in SIDES:
        expected = F.interpolate(grid, size=size, mode="bilinear", align_corners=True)
        torch.testing.assert_close(enlarge_grid(grid, *size), expected, rtol=0, atol=1e-12)
        single = enlarge_grid(grid.float(), *size)
        torch.testing.assert_close(single.double(), expected, rtol=0, atol=2e-6)


def test_enlarging_in_half_precision_is_as_exact_as_the_kernel_of_torch():
    grid = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(0)).bfloat16()
    for size in SIDES:
        exact = F.interpolate(grid.double(), size=size, mode="bilinear", align_corners=True)
        result = enlarge_grid(grid, *size)
        assert result.dtype == torch.bfloat16
        # One rounding, of at most half a unit in the last of 8 bits.
        torch.testing.assert_close(result.double(), exact, rtol=2**-8, atol=1e-5)


@pytest.mark.parametrize("size", [(33, 47), (1, 1), (32, 65)])
def test_padding_repeats_the_border(size):
    image = torch.rand(2, 3, *size)
    pad = (0, -size[1] % 32, 0, -size[0] % 32)
    assert torch.equal(pad_to_multiple(image, 32), F.pad(image, pad, mode="replicate"))
