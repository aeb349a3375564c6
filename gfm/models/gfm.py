"""Glance and Focus Matting: one encoder, two decoders, collaborative matting."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from gfm.errors import GFMError
from gfm.models.blocks import extend
from gfm.models.decoders import FocusDecoder, GlanceDecoder
from gfm.models.encoders import Encoder
from gfm.models.fusion import RIM, MattingOutput, fuse
from gfm.models.image_checks import check_image
from gfm.models.recomputation import recompute_activations
from gfm.rosta import ROSTAS

# The official network takes 0..255 without normalisation, so released weights expect it.
NORMALIZATIONS = {
    "none": ((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""Mean and standard deviation of the colours by name; images come in [0, 1]."""


class GFM(nn.Module):
    """Glance and Focus Matting network (GFM, figure 4), for images of any size.

    Args:
        encoder: Module that returns features and names their channels and strides.
        rosta: ``tt``, ``ft``, ``bt`` or ``rim``.
        decoder_channels: Channels of the decoders at each feature, finest first; by default those
            of the encoder, at most 512.
        decoder_scale: Factor on the channels of the decoders; at least 8 are kept at each feature.
        reduction: Factor by which the middle convolution of a decoder stage has fewer channels.
        normalization: ``none`` feeds values of 0..255, as the official code does; ``imagenet``
            standardises them.
        activation_checkpointing: Whether to keep fewer activations for the backward pass and to
            compute them again, which saves memory and takes time.
        channels_last: Whether to store tensors with their channels innermost, which some devices
            prefer.

    Raises:
        GFMError: There is no such RoSTA, or the channels are not of this encoder.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        encoder: Encoder,
        rosta: str = "tt",
        decoder_channels: Sequence[int] | None = None,
        decoder_scale: float = 1.0,
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
        full = decoder_channels or [min(c, 512) for c in channels]
        if len(full) != len(channels):
            raise GFMError(
                f"decoder_channels has {len(full)} numbers, but the encoder has {len(channels)} "
                "features: give one number for each, finest first"
            )
        decoder_channels = [max(8, round(c * decoder_scale)) for c in full]
        num_classes = [branch.num_classes for branch in self.branches]
        self.glance = GlanceDecoder(channels, strides, decoder_channels, num_classes, reduction)
        self.focus = FocusDecoder(
            channels, strides, decoder_channels, len(self.branches), reduction
        )
        self.rim = RIM(len(self.branches)) if len(self.branches) > 1 else None
        for name, value in zip(("mean", "std"), NORMALIZATIONS[normalization], strict=True):
            tensor = torch.tensor(value).view(1, 3, 1, 1)
            self.register_buffer(name, tensor, persistent=False)
        self.memory_format = torch.contiguous_format
        if channels_last:
            self.use_channels_last()
        if activation_checkpointing:
            recompute_activations(self)

    def use_channels_last(self) -> None:
        """Store tensors with channels innermost from now on; nothing else changes."""
        self.memory_format = torch.channels_last
        self.to(memory_format=self.memory_format)

    def forward(self, image: Tensor) -> MattingOutput:
        """Compute the alpha mattes of a batch of images.

        Args:
            image: N×3×H×W RGB in [0, 1], of any size.
        """
        features = self.encode(image)
        height, width = image.shape[-2:]
        glances = [logits[..., :height, :width] for logits in self.glance(features)]
        focuses = [logits[..., :height, :width] for logits in self.focus(features)]
        branches = {
            rosta.name: fuse(rosta, glance, focus)
            for rosta, glance, focus in zip(self.branches, glances, focuses, strict=True)
        }
        return MattingOutput(self.integrate([b.alpha for b in branches.values()]), branches)

    def run_glance(self, image: Tensor) -> list[Tensor]:
        """Return the class logits of each branch, without running the focus decoder.

        Args:
            image: N×3×H×W RGB in [0, 1], of any size.

        Returns:
            One tensor of N×C×H×W logits per branch.
        """
        features = self.encode(image)
        height, width = image.shape[-2:]
        return [x[..., :height, :width] for x in self.glance(features)]

    def run_focus(self, image: Tensor) -> list[Tensor]:
        """Return the focus logits of each branch, without running the glance decoder.

        Args:
            image: N×3×H×W RGB in [0, 1], of any size.

        Returns:
            One tensor of N×1×H×W logits per branch.
        """
        features = self.encode(image)
        height, width = image.shape[-2:]
        return [x[..., :height, :width] for x in self.focus(features)]

    def integrate(self, alphas: list[Tensor]) -> Tensor:
        """Combine the alphas of the branches (N×1×H×W each) by RIM, or return the only one."""
        return self.rim(alphas) if self.rim is not None else alphas[0]

    def encode(self, image: Tensor) -> list[Tensor]:
        """Normalise an image, pad it to multiples of the deepest stride, and encode it.

        Raises:
            TypeError: The image is not a tensor of floats.
            ValueError: It has another shape, or lies on another device.
        """
        check_image(image, self.mean.device)
        height, width = image.shape[-2:]
        stride = self.encoder.strides[-1]
        image = (image.to(self.mean.dtype) - self.mean) / self.std
        # An exported graph has to work for sides of any length.
        if torch.compiler.is_exporting() or height % stride or width % stride:
            image = extend(image, stride)
        features: list[Tensor] = self.encoder(image.contiguous(memory_format=self.memory_format))
        return features
