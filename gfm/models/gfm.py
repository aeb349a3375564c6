"""Glance and Focus Matting: one encoder, two decoders, collaborative matting."""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gfm.errors import GFMError
from gfm.models.decoders import FocusDecoder, GlanceDecoder
from gfm.models.encoders import Encoder
from gfm.models.fusion import RIM, MattingOutput, fuse
from gfm.models.recomputation import recompute_activations
from gfm.rosta import ROSTAS

# The official network sees 0..255 without normalisation, so released weights expect it.
_NORMALIZATIONS = {
    "none": ((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


class GFM(nn.Module):
    """The matting network (GFM, figure 4), for images of any size.

    Args:
        encoder: features, their channels and strides.
        rosta: ``tt``, ``ft``, ``bt`` or ``rim``.
        decoder_channels: of the decoders at each feature, finest first; the encoder's channels, at
            most 512, unless given.
        reduction: how many times fewer channels the middle convolution of a decoder stage has.
        normalization: ``none`` feeds 0..255 as the official code, ``imagenet`` standardises.
        activation_checkpointing: keeps fewer activations for the backward pass and computes them
            again: less memory, more time.
        channels_last: keeps convolutions' tensors with channels innermost, which some devices
            prefer.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        encoder: Encoder,
        rosta: str = "tt",
        decoder_channels: Sequence[int] | None = None,
        reduction: int = 1,
        normalization: Literal["none", "imagenet"] = "none",
        activation_checkpointing: bool = False,
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        if rosta not in ROSTAS:
            raise GFMError(f"unknown RoSTA {rosta!r}: choose one of {', '.join(ROSTAS)}")
        self.branches = ROSTAS[rosta]
        self.encoder = encoder
        channels, strides = encoder.channels, encoder.strides
        decoder_channels = list(decoder_channels or (min(c, 512) for c in channels))
        num_classes = [branch.num_classes for branch in self.branches]
        self.glance = GlanceDecoder(channels, strides, decoder_channels, num_classes, reduction)
        self.focus = FocusDecoder(
            channels, strides, decoder_channels, len(self.branches), reduction
        )
        self.rim = RIM(len(self.branches)) if len(self.branches) > 1 else None
        for name, value in zip(("mean", "std"), _NORMALIZATIONS[normalization], strict=True):
            tensor = torch.tensor(value).view(1, 3, 1, 1)
            self.register_buffer(name, tensor, persistent=False)
        self.memory_format = torch.contiguous_format
        if channels_last:
            self.use_channels_last()
        if activation_checkpointing:
            recompute_activations(self)

    def use_channels_last(self) -> None:
        """Keeps convolutions' tensors with channels innermost from now on; all else stays."""
        self.memory_format = torch.channels_last
        self.to(memory_format=self.memory_format)

    def forward(self, image: Tensor) -> MattingOutput:
        """Mattes a batch.

        Args:
            image: N×3×H×W RGB in [0, 1], of any size.
        """
        height, width = image.shape[-2:]
        features = self.encode(image)
        glances = [logits[..., :height, :width] for logits in self.glance(features)]
        focuses = [logits[..., :height, :width] for logits in self.focus(features)]
        branches = {
            rosta.name: fuse(rosta, glance, focus)
            for rosta, glance, focus in zip(self.branches, glances, focuses, strict=True)
        }
        return MattingOutput(self.integrate([b.alpha for b in branches.values()]), branches)

    def run_glance(self, image: Tensor) -> list[Tensor]:
        """N×3×H×W in [0, 1] to the class logits of each branch; the focus decoder rests."""
        height, width = image.shape[-2:]
        return [x[..., :height, :width] for x in self.glance(self.encode(image))]

    def run_focus(self, image: Tensor) -> list[Tensor]:
        """N×3×H×W in [0, 1] to the focus logits of each branch; the glance decoder rests."""
        height, width = image.shape[-2:]
        return [x[..., :height, :width] for x in self.focus(self.encode(image))]

    def integrate(self, alphas: list[Tensor]) -> Tensor:
        """One alpha from those of the branches, N×1×H×W each: RIM's, or the only one."""
        return self.rim(alphas) if self.rim is not None else alphas[0]

    def encode(self, image: Tensor) -> list[Tensor]:
        """Features of the image, normalised and padded to multiples of the deepest stride."""
        height, width = image.shape[-2:]
        stride = self.encoder.strides[-1]
        image = (image - self.mean) / self.std
        if height % stride or width % stride:
            image = F.pad(image, (0, -width % stride, 0, -height % stride), mode="replicate")
        features: list[Tensor] = self.encoder(image.contiguous(memory_format=self.memory_format))
        return features
