"""A network and how it looks at a photo, as one graph that needs no code of this project."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from gfm.compat.torch import unbounded_sizes
from gfm.errors import GFMError
from gfm.inference.inferers import Inferer
from gfm.models.gfm import GFM

Pixels = Literal["uint8", "float"]
"""What a graph takes: N×H×W×3 uint8, as files are decoded, or N×3×H×W float32 in [0, 1]; RGB."""

EXPORT_SIZE = (75, 101)
"""Height and width of the image that graphs are made with; they hold for every other as well."""


def as_pixels(name: str) -> Pixels:
    """One of :data:`Pixels` by its name.

    Raises:
        GFMError: there is none of that name.
    """
    kinds: dict[str, Pixels] = {"uint8": "uint8", "float": "float"}
    if name in kinds:
        return kinds[name]
    raise GFMError(f"unknown pixels {name!r}: choose uint8 or float")


class MattingGraph(nn.Module):
    """From an RGB image to alpha: conversion, resizing, normalisation, padding and all.

    Args:
        model: the network, with its weights.
        inferer: how it looks at a photo.
        pixels: what the image is.
    """

    def __init__(self, model: GFM, inferer: Inferer, pixels: Pixels = "uint8") -> None:
        super().__init__()
        self.model = model
        self.inferer = inferer
        self.pixels = pixels

    def forward(self, image: Tensor) -> Tensor:
        """``image`` as :data:`Pixels` says to alpha: N×1×H×W, float32 in [0, 1]."""
        if self.pixels == "uint8":
            image = image.permute(0, 3, 1, 2).float() / 255
        return self.inferer(self.model, image).alpha

    @property
    def meaning(self) -> str:
        """What the input is, in words."""
        if self.pixels == "uint8":
            return "RGB, N×H×W×3, uint8"
        return "RGB, N×3×H×W, float32 in [0, 1]"

    @property
    def sides(self) -> list[int | str]:
        """Of the input: numbers, and the names of what may be any number."""
        if self.pixels == "uint8":
            return ["batch", "height", "width", 3]
        return ["batch", 3, "height", "width"]

    def example(self, num_images: int, height: int, width: int) -> Tensor:
        """Random images of the kind that the graph takes, blurred as photos are."""
        random = torch.Generator().manual_seed(height)
        small = torch.rand(num_images, 3, height // 16 + 2, width // 16 + 2, generator=random)
        image = nn.functional.interpolate(small, size=(height, width), mode="bilinear")
        if self.pixels == "uint8":
            return (image * 255).round().byte().permute(0, 2, 3, 1).contiguous()
        return image


def trace(graph: MattingGraph) -> ExportedProgram:
    """The graph for any number of images of any size."""
    shape = {i: Dim(side, min=1) for i, side in enumerate(graph.sides) if isinstance(side, str)}
    with torch.no_grad(), unbounded_sizes():
        example = (graph.example(2, *EXPORT_SIZE),)
        return torch.export.export(graph.eval(), example, dynamic_shapes={"image": shape})
