"""Collaborative matting: glance and focus fused to alpha (GFM, section 4.3).

The fusion rules of the RoSTAs are ``fuse_tt``, ``fuse_ft`` and ``fuse_bt`` in :mod:`gfm.rosta`; RIM
combines the three alphas by a learned module.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gfm.models.blocks import SqueezeExcitation
from gfm.rosta import Rosta


class BranchOutput(NamedTuple):
    """Output of one RoSTA branch.

    Attributes:
        glance: N×C×H×W class logits.
        focus: N×1×H×W in (0, 1).
        alpha: N×1×H×W in [0, 1], fused from glance and focus.
    """

    glance: Tensor
    focus: Tensor
    alpha: Tensor


class MattingOutput(NamedTuple):
    """Output of the network.

    Attributes:
        alpha: N×1×H×W in [0, 1]; unbounded with RIM.
        branches: Output of each branch by RoSTA name; RIM has three.
    """

    alpha: Tensor
    branches: Mapping[str, BranchOutput]


def classify(glance: Tensor) -> Tensor:
    """Turn N×C×H×W logits into the most likely class divided by C - 1, N×1×H×W in float32.

    The official code compares sigmoids. That differs only where several saturate to exactly 1: it
    takes the first of these, not the largest logit. NaN logits become NaN, so that float16 overflow
    does not pass for background.
    """
    largest = glance.detach().max(dim=1, keepdim=True)  # argmax is ten times slower on CPUs
    classes = largest.indices.float().masked_fill(largest.values.isnan(), torch.nan)
    return classes / (glance.shape[1] - 1)


def fuse(rosta: Rosta, glance: Tensor, focus: Tensor) -> BranchOutput:
    """Fuse N×C×H×W class logits and N×1×H×W focus logits by the rule of a RoSTA.

    The gradient flows through focus only.
    """
    probability = focus.float().sigmoid()
    return BranchOutput(glance, probability, rosta.fuse(classify(glance), probability))


class RIM(nn.Module):
    """Combines the alphas of all branches: 1×1 convolution, channel attention, 1×1 convolution."""

    def __init__(self, num_branches: int = 3, width: int = 16) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(num_branches, width, 1), SqueezeExcitation(width), nn.Conv2d(width, 1, 1)
        )

    def forward(self, alphas: list[Tensor]) -> Tensor:
        """Combine N×1×H×W alphas in [0, 1] into one of the same shape.

        The result is unbounded, as in the official code; inferers clamp it. Even under autocast it
        is computed in the precision of the weights, because bfloat16 would round alpha to 8 bits.
        """
        stacked = torch.cat(alphas, dim=1)
        device = stacked.device.type
        # Only under autocast: exported graphs and the meta device do not support the context.
        is_half = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
        with torch.autocast(device, enabled=False) if is_half else nullcontext():
            alpha: Tensor = self.layers(stacked.to(next(self.parameters()).dtype))
        return alpha
