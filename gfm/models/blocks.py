"""Building blocks that the decoders share."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv_bn_relu(in_channels: int, out_channels: int, dilation: int = 1) -> list[nn.Module]:
    """3×3 convolution that keeps the size, batch normalisation, ReLU."""
    return [
        nn.Conv2d(in_channels, out_channels, 3, padding=dilation, dilation=dilation),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]


def conv_stack(in_channels: int, *widths: int, dilation: int = 1) -> list[nn.Module]:
    """One :func:`conv_bn_relu` per entry of ``widths``, in a row."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += conv_bn_relu(in_channels, width, dilation)
        in_channels = width
    return layers


def upsample(factor: int) -> list[nn.Module]:
    """Bilinear enlargement by ``factor``; nothing for a factor of 1."""
    if factor == 1:
        return []
    return [nn.Upsample(scale_factor=factor, mode="bilinear", align_corners=False)]


class PyramidPooling(nn.Module):
    """Pyramid pooling (Zhao et al., CVPR 2017) with the grids 1×1, 3×3 and 5×5 of GFM.

    C×H×W to H×W with ``out_channels``.
    """

    def __init__(self, channels: int, out_channels: int, sizes: Sequence[int] = (1, 3, 5)) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(size), nn.Conv2d(channels, channels, 1, bias=False))
            for size in sizes
        )
        self.bottleneck = nn.Conv2d(channels * (len(sizes) + 1), out_channels, 1)

    def forward(self, feature: Tensor) -> Tensor:
        """Context of every grid, enlarged and mixed with the feature itself."""
        size = feature.shape[-2:]
        # Corners are aligned here and nowhere else in the network: released weights expect it.
        priors = [
            F.interpolate(stage(feature), size=size, mode="bilinear", align_corners=True)
            for stage in self.stages
        ]
        return F.relu(self.bottleneck(torch.cat([*priors, feature], dim=1)))


class SqueezeExcitation(nn.Module):
    """Channel attention (Hu et al., CVPR 2018): each channel scaled by a factor in (0, 1)."""

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(channels, channels // reduction, bias=False),
            nn.ReLU(inplace=True),
            nn.Linear(channels // reduction, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, feature: Tensor) -> Tensor:
        """N×C×H×W to the same shape."""
        scale: Tensor = self.fc(feature.mean(dim=(2, 3)))
        return feature * scale[:, :, None, None]
