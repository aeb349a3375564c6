"""Pyramid pooling by matrices is that by torch's kernels; so is padding."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gfm.models.blocks import GridPool, PyramidPooling, extend


@pytest.mark.parametrize("num_cells", [1, 3, 5])
def test_cells_are_those_of_adaptive_pooling(num_cells):
    ours, theirs = GridPool(num_cells), nn.AdaptiveAvgPool2d(num_cells)
    for height in range(1, 40):
        for width in (1, 2, 4, 5, 7, 33, 50):
            feature = torch.randn(2, 3, height, width)
            torch.testing.assert_close(ours(feature), theirs(feature), rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 1), (5, 5), (10, 10), (13, 50)])
def test_pyramid_pooling_is_that_of_torch(size):
    torch.manual_seed(0)
    module = PyramidPooling(6, 4)
    feature = torch.randn(2, 6, *size)
    priors = [
        F.interpolate(
            stage[1](F.adaptive_avg_pool2d(feature, n)),
            size=size,
            mode="bilinear",
            align_corners=True,
        )
        for n, stage in zip((1, 3, 5), module.stages, strict=True)
    ]
    expected = F.relu(module.bottleneck(torch.cat([*priors, feature], dim=1)))
    torch.testing.assert_close(module(feature), expected, rtol=1e-6, atol=1e-6)


def test_half_precision_stays():
    """Autocast leaves sums of many pixels in float32; half-precision networks stay half."""
    feature = torch.randn(1, 3, 40, 50)
    expected = GridPool(3)(feature)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(GridPool(3)(feature), expected)
    assert GridPool(3)(feature.bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize("size", [(33, 47), (1, 1), (32, 65)])
def test_extend_repeats_the_border(size):
    image = torch.rand(2, 3, *size)
    pad = (0, -size[1] % 32, 0, -size[0] % 32)
    assert torch.equal(extend(image, 32), F.pad(image, pad, mode="replicate"))
