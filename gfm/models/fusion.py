"""Collaborative matting: what glance and focus say together (GFM, section 4.3)."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gfm.models.blocks import SqueezeExcitation
from gfm.rosta import Rosta


class BranchOutput(NamedTuple):
    """What one RoSTA branch returns.

    Attributes:
        glance: N×C×H×W class logits.
        focus: N×1×H×W in (0, 1).
        alpha: N×1×H×W in [0, 1], the fusion of both.
    """

    glance: Tensor
    focus: Tensor
    alpha: Tensor


class MattingOutput(NamedTuple):
    """What the network returns.

    Attributes:
        alpha: N×1×H×W in [0, 1]; with RIM not bounded.
        branches: by RoSTA name; RIM has three.
    """

    alpha: Tensor
    branches: Mapping[str, BranchOutput]


def classify(glance: Tensor) -> Tensor:
    """The likeliest class of each pixel, as RoSTA rules take it.

    Args:
        glance: N×C×H×W class logits. The official code compares sigmoids, which differ only where
            several saturate to exactly 1; there the first wins instead of the largest.

    Returns:
        N×1×H×W class indices over C - 1, float32.
    """
    return glance.argmax(dim=1, keepdim=True).float() / (glance.shape[1] - 1)


def fuse(rosta: Rosta, glance: Tensor, focus: Tensor) -> BranchOutput:
    """Fuses one branch by its RoSTA's rule; the gradient reaches focus alone.

    Args:
        rosta: the branch's representation.
        glance: N×C×H×W class logits.
        focus: N×1×H×W logits.
    """
    probability = focus.float().sigmoid()
    return BranchOutput(glance, probability, rosta.fuse(classify(glance), probability))


class RIM(nn.Module):
    """Integrates the alphas of all branches: 1×1 convolution, channel attention, 1×1."""

    def __init__(self, num_branches: int = 3, width: int = 16) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(num_branches, width, 1), SqueezeExcitation(width), nn.Conv2d(width, 1, 1)
        )

    def forward(self, alphas: list[Tensor]) -> Tensor:
        """N×1×H×W alphas in [0, 1] to one of the same shape, about [0, 1] but not bounded.

        Nothing bounds it in the official code either; inferers clamp what they return.
        """
        alpha: Tensor = self.layers(torch.cat(alphas, dim=1))
        return alpha
