"""Collaborative matting: glance and focus fused to alpha (GFM, section 4.3).

The rules of the RoSTAs are ``fuse_tt``, ``fuse_ft`` and ``fuse_bt`` of :mod:`gfm.rosta`; RIM
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

    The official code compares sigmoids, which differs only where several of them saturate to
    exactly 1: there it takes the first, not the largest. Logits of NaN have the class NaN, so that
    overflow in float16 is not background.
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

        The result is unbounded, as in the official code; inferers clamp it. Under autocast it is
        computed in the precision of the weights, because bfloat16 has 8 bits.
        """
        stacked = torch.cat(alphas, dim=1)
        device = stacked.device.type
        # Only where needed: exported graphs cannot contain the context, nor can ``meta`` enter it.
        is_half = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
        with torch.autocast(device, enabled=False) if is_half else nullcontext():
            alpha: Tensor = self.layers(stacked.to(next(self.parameters()).dtype))
        return alpha
