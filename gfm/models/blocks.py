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


def extend(image: Tensor, multiple: int) -> Tensor:
    """N×C×H×W with the last row and column repeated until sides are multiples of ``multiple``."""
    for dim in (-2, -1):
        length = image.shape[dim]
        whole = (length + multiple - 1) // multiple * multiple
        pixels = torch.arange(whole, device=image.device).clamp(max=length - 1)
        image = image.index_select(dim, pixels)
    return image


class GridPool(nn.Module):
    """The mean of each cell of a grid, as ``nn.AdaptiveAvgPool2d``, in a graph of any size too.

    That one's kernel depends on the size, so that an exported graph would hold one size only. A
    mean is linear and separable: here it is a matrix for each side, computed from its length.

    Args:
        num_cells: along each side.
    """

    def __init__(self, num_cells: int) -> None:
        super().__init__()
        self.num_cells = num_cells

    def forward(self, feature: Tensor) -> Tensor:
        """N×C×H×W to a value per cell; cells overlap where the sides do not divide evenly."""
        with torch.autocast(feature.device.type, enabled=False):
            rows, columns = (self._shares(n, feature.device) for n in feature.shape[-2:])
            return _by_rows(rows, feature.float() @ columns.T).to(feature.dtype)

    def _shares(self, length: int, device: torch.device) -> Tensor:
        """Of each pixel in the mean of each cell: ``num_cells``×``length``."""
        cell = torch.arange(self.num_cells, device=device)[:, None]
        start = cell * length // self.num_cells
        end = ((cell + 1) * length + self.num_cells - 1) // self.num_cells
        pixel = torch.arange(length, device=device)
        return ((pixel >= start) & (pixel < end)).float() / (end - start)


def _spread(grid: Tensor, height: int, width: int) -> Tensor:
    """N×C×n×n enlarged linearly to N×C×H×W, the outer cells at the borders.

    Corners are aligned here and nowhere else in the network: released weights expect it. By
    matrices, for ``F.interpolate`` has a case of its own for a side of 1, which a graph of any
    size cannot have.
    """

    def shares(length: int) -> Tensor:
        cell = torch.arange(grid.shape[-1], device=grid.device)
        pixel = torch.arange(length, device=grid.device)[:, None]
        last = torch.sym_max(length - 1, 1)
        position: Tensor = pixel * (grid.shape[-1] - 1) / last  # type: ignore[assignment]
        return (1 - (position - cell).abs()).clamp(min=0)

    with torch.autocast(grid.device.type, enabled=False):
        return (_by_rows(shares(height), grid.float()) @ shares(width).T).to(grid.dtype)


def _by_rows(matrix: Tensor, image: Tensor) -> Tensor:
    """The product of a matrix and N×C×H×W of small W; as ``@``, without its case for H = 1."""
    return (matrix[:, :, None] * image[:, :, None]).sum(3)


class PyramidPooling(nn.Module):
    """Pyramid pooling (Zhao et al., CVPR 2017) with the grids 1×1, 3×3 and 5×5 of GFM.

    C×H×W to H×W with ``out_channels``.
    """

    def __init__(self, channels: int, out_channels: int, sizes: Sequence[int] = (1, 3, 5)) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(GridPool(size), nn.Conv2d(channels, channels, 1, bias=False))
            for size in sizes
        )
        self.bottleneck = nn.Conv2d(channels * (len(sizes) + 1), out_channels, 1)

    def forward(self, feature: Tensor) -> Tensor:
        """Context of every grid, enlarged and mixed with the feature itself."""
        height, width = feature.shape[-2:]
        priors = [_spread(stage(feature), height, width) for stage in self.stages]
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
