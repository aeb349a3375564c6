"""Building blocks of the decoders."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gfm.models.grid_pooling import enlarge_grid, pool_to_grid


def conv_bn_relu(in_channels: int, out_channels: int, dilation: int = 1) -> list[nn.Module]:
    """Make a 3×3 convolution that keeps the size, a batch normalisation and a ReLU."""
    return [
        nn.Conv2d(in_channels, out_channels, 3, padding=dilation, dilation=dilation),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]


def conv_stack(in_channels: int, *out_channels: int, dilation: int = 1) -> list[nn.Module]:
    """Chain a :func:`conv_bn_relu` for each number of ``out_channels``."""
    layers: list[nn.Module] = []
    for channels in out_channels:
        layers += conv_bn_relu(in_channels, channels, dilation)
        in_channels = channels
    return layers


def upsample(factor: int) -> list[nn.Module]:
    """Make a layer that enlarges bilinearly by ``factor``; no layer for a factor of 1."""
    if factor == 1:
        return []
    return [Upsample(scale_factor=factor, mode="bilinear", align_corners=False)]


class Upsample(nn.Upsample):
    """``nn.Upsample`` with an accurate gradient in half precision; see :func:`interpolate`."""

    def forward(self, feature: Tensor) -> Tensor:
        """Enlarge N×C×H×W."""
        return interpolate(
            feature, scale_factor=self.scale_factor, align_corners=self.align_corners
        )


def interpolate(feature: Tensor, **options: Any) -> Tensor:
    """Interpolate N×C×H×W bilinearly like ``F.interpolate``, but with an accurate gradient.

    A pixel's gradient is a sum over all pixels that it was enlarged to. CUDA accumulates it in the
    dtype of the feature. With the 8 bits of bfloat16, most of 16² or 32² terms would be lost. So
    half precision is interpolated in float32; the forward result is the same.
    """
    if not feature.requires_grad or feature.dtype not in (torch.float16, torch.bfloat16):
        return F.interpolate(feature, mode="bilinear", **options)
    return F.interpolate(feature.float(), mode="bilinear", **options).to(feature.dtype)


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column of N×C×H×W until the sides are multiples of ``multiple``.

    This equals ``F.pad(mode="replicate")``, but uses indexing, so that exported graphs accept any
    size.
    """
    for dim in (-2, -1):
        length = image.shape[dim]
        padded = (length + multiple - 1) // multiple * multiple
        pixels = torch.arange(padded, device=image.device).clamp(max=length - 1)
        image = image.index_select(dim, pixels)
    return image


class GridPool(nn.AdaptiveAvgPool2d):
    """Averages the cells of a square grid.

    torch's kernel is used where possible, because it is faster. But exported graphs would support
    only one image size, its gradient on CUDA is not deterministic, and on Apple's GPUs it requires
    sides that are multiples of n.
    """

    output_size: int

    def forward(self, feature: Tensor) -> Tensor:
        """Average N×C×H×W to N×C×n×n; cells overlap if the sides are not multiples of n."""
        is_deterministic = torch.are_deterministic_algorithms_enabled()
        if torch.compiler.is_exporting() or is_deterministic or feature.is_mps:
            return pool_to_grid(feature, self.output_size)
        return super().forward(feature)


def _enlarge(grid: Tensor, height: int, width: int) -> Tensor:
    """Enlarge N×C×n×n linearly to N×C×H×W, with the centres of the outer cells at the borders."""
    if torch.compiler.is_exporting():
        return enlarge_grid(grid, height, width)
    # Only here does the network align corners: released weights expect it.
    return interpolate(grid, size=(height, width), align_corners=True)


class PyramidPooling(nn.Module):
    """Pyramid pooling (Zhao et al., CVPR 2017), by default with GFM's grids 1×1, 3×3 and 5×5."""

    def __init__(self, channels: int, out_channels: int, sizes: Sequence[int] = (1, 3, 5)) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(GridPool(size), nn.Conv2d(channels, channels, 1, bias=False))
            for size in sizes
        )
        self.bottleneck = nn.Conv2d(channels * (len(sizes) + 1), out_channels, 1)

    def forward(self, feature: Tensor) -> Tensor:
        """Combine a feature with its enlarged grids, N×C×H×W to N×out_channels×H×W."""
        height, width = feature.shape[-2:]
        priors = [_enlarge(stage(feature), height, width) for stage in self.stages]
        return F.relu(self.bottleneck(torch.cat([*priors, feature], dim=1)))


class SqueezeExcitation(nn.Module):
    """Channel attention (Hu et al., CVPR 2018): scales each channel by a factor in (0, 1).

    Unlike torchvision's module, the layers have no biases, because released weights have none.
    """

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(channels, channels // reduction, bias=False),
            nn.ReLU(inplace=True),
            nn.Linear(channels // reduction, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, feature: Tensor) -> Tensor:
        """Scale the channels of N×C×H×W."""
        scale: Tensor = self.fc(feature.mean(dim=(2, 3)))
        return feature * scale[:, :, None, None]
