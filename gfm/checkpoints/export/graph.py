"""Combines a network and its inferer in a graph that runs without this package."""

from typing import Literal, cast, get_args

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from gfm.compat.torch import size_oblivious_export
from gfm.errors import GFMError
from gfm.inference.inferers import Inferer
from gfm.models.gfm import GFM

Pixels = Literal["uint8", "float"]
"""RGB input of a graph: N×H×W×3 uint8, as files are decoded, or N×3×H×W float32 in [0, 1]."""

EXPORT_SIZE = (75, 101)
"""(height, width) of the images with which a graph is traced; the graph takes any size."""


def parse_pixels(name: str) -> Pixels:
    """Return a name as one of :data:`Pixels`, or raise GFMError."""
    if name not in get_args(Pixels):
        raise GFMError(f"unknown pixels {name!r}: choose {' or '.join(get_args(Pixels))}")
    return cast(Pixels, name)


class MattingGraph(nn.Module):
    """Turns an RGB image into alpha, including conversion, resizing, normalisation and padding."""

    def __init__(self, model: GFM, inferer: Inferer, pixels: Pixels = "uint8") -> None:
        super().__init__()
        self.model = model
        self.inferer = inferer
        self.pixels = pixels

    def forward(self, image: Tensor) -> Tensor:
        """Compute alpha, N×1×H×W float32 in [0, 1], of images in the format of :data:`Pixels`."""
        if self.pixels == "uint8":
            image = image.permute(0, 3, 1, 2).float() / 255
        return self.inferer(self.model, image).alpha

    @property
    def input_description(self) -> str:
        """Description of the input for users."""
        is_uint8 = self.pixels == "uint8"
        return "RGB, N×H×W×3, uint8" if is_uint8 else "RGB, N×3×H×W, float32 in [0, 1]"

    @property
    def input_shape(self) -> list[int | str]:
        """Shape of the input, with names for the sizes that may vary."""
        if self.pixels == "uint8":
            return ["batch", "height", "width", 3]
        return ["batch", 3, "height", "width"]

    def example(self, num_images: int, height: int, width: int) -> Tensor:
        """Make random images in the format of the input: smooth colours, an edge and noise."""
        random = torch.Generator().manual_seed(height)
        small = torch.rand(2 * num_images, 3, height // 16 + 2, width // 16 + 2, generator=random)
        smooth = nn.functional.interpolate(small, size=(height, width), mode="bilinear")
        outside, inside = smooth.chunk(2)
        y, x = torch.linspace(-1, 1, height)[:, None], torch.linspace(-1, 1, width)
        image = torch.where(x**2 + y**2 < 0.5, inside, outside)
        image = (image + 0.1 * torch.randn(image.shape, generator=random)).clamp(0, 1)
        if self.pixels == "uint8":
            return (image * 255).round().byte().permute(0, 2, 3, 1).contiguous()
        return image


def trace(graph: MattingGraph) -> ExportedProgram:
    """Trace the graph for any number of images of any size.

    The network is switched to the contiguous memory format; with channels last, torch would
    restrict the sizes. Other networks that it restricts raise GFMError.
    """
    graph.model.use_channels_last(False)
    shape = {
        i: Dim(side, min=1) for i, side in enumerate(graph.input_shape) if isinstance(side, str)
    }
    with torch.no_grad(), size_oblivious_export():
        example = (graph.example(2, *EXPORT_SIZE),)
        graph.eval().requires_grad_(False)  # or the alphas of a .pt2 would require them
        return torch.export.export(graph, example, dynamic_shapes={"image": shape})
