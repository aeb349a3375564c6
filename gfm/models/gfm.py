"""Glance and Focus Matting: one encoder, two decoders, collaborative matting."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from gfm.errors import GFMError
from gfm.models.activation_checkpointing import apply_activation_checkpointing
from gfm.models.blocks import pad_to_multiple
from gfm.models.decoders import FocusDecoder, GlanceDecoder
from gfm.models.encoders import Encoder
from gfm.models.fusion import RIM, MattingOutput, fuse
from gfm.rosta import ROSTAS

# The official network takes 0..255 without normalisation, so released weights expect that range.
NORMALIZATIONS = {
    "none": ((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""Mean and standard deviation of colours in [0, 1], by name."""


class GFM(nn.Module):
    """Glance and Focus Matting network (GFM, figure 4), for images of any size.

    This is the general class; :mod:`gfm.models.networks` builds the networks of the paper.

    Args:
        encoder: Module with the interface of :class:`gfm.models.encoders.Encoder`.
        rosta: ``tt``, ``ft``, ``bt`` or ``rim``.
        decoder_channels: Channels of the decoders at each feature, finest first; by default those
            of the encoder, at most 512.
        decoder_scale: Factor on the channels of the decoders; each feature keeps at least 8.
        reduction: Factor by which the middle convolution of a decoder stage reduces the channels.
        normalization: ``none`` feeds values of 0..255, as the official code does; ``imagenet``
            standardises them.
        activation_checkpointing: Whether to recompute activations in the backward pass, which
            saves memory but takes time.
        channels_last: Whether to use the channels-last memory format, which is faster on some
            devices.

    Raises:
        GFMError: The RoSTA or the normalization is unknown, or ``decoder_channels`` does not fit
            the encoder.
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
        if normalization not in NORMALIZATIONS:
            choices = ", ".join(NORMALIZATIONS)
            raise GFMError(f"unknown normalization {normalization!r}: choose one of {choices}")
        self.branches = ROSTAS[rosta]
        self.encoder = encoder
        channels, strides = encoder.channels, encoder.strides
        full = decoder_channels or [min(c, 512) for c in channels]
        if len(full) != len(channels):
            raise GFMError(
                f"decoder_channels has {len(full)} numbers, but the encoder has {len(channels)} "
                "features: set one number for each, finest first"
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
        self.use_channels_last(channels_last)
        if activation_checkpointing:
            apply_activation_checkpointing(self)

    def use_channels_last(self, is_used: bool = True) -> None:
        """Switch to the channels-last memory format, or back to the contiguous one."""
        self.is_channels_last = is_used  # torch.save could not pickle a torch.memory_format
        for tensor in (*self.parameters(), *self.buffers()):
            if tensor.ndim == 4:  # `self.to` would fail at the weights of three-dimensional layers
                tensor.data = tensor.data.contiguous(memory_format=self._memory_format)

    @property
    def _memory_format(self) -> torch.memory_format:
        return torch.channels_last if self.is_channels_last else torch.contiguous_format

    def forward(self, image: Tensor) -> MattingOutput:
        """Compute the alpha mattes of N×3×H×W RGB images in [0, 1], of any size."""
        features = self.encode(image)
        glances = _crop_padding(self.glance(features), image)
        focuses = _crop_padding(self.focus(features), image)
        branches = {
            rosta.name: fuse(rosta, glance, focus)
            for rosta, glance, focus in zip(self.branches, glances, focuses, strict=True)
        }
        return MattingOutput(self.integrate([b.alpha for b in branches.values()]), branches)

    def run_glance(self, image: Tensor) -> list[Tensor]:
        """Return the N×C×H×W class logits of each branch, without running the focus decoder."""
        return _crop_padding(self.glance(self.encode(image)), image)

    def run_focus(self, image: Tensor) -> list[Tensor]:
        """Return the N×1×H×W focus logits of each branch, without running the glance decoder."""
        return _crop_padding(self.focus(self.encode(image)), image)

    def integrate(self, alphas: list[Tensor]) -> Tensor:
        """Combine the N×1×H×W alphas of the branches by RIM, or return a single one unchanged."""
        return self.rim(alphas) if self.rim is not None else alphas[0]

    def encode(self, image: Tensor) -> list[Tensor]:
        """Check images, normalise them, pad to multiples of the deepest stride, and encode."""
        check_image(image, self.mean.device)
        height, width = image.shape[-2:]
        stride = self.encoder.strides[-1]
        image = (image.to(self.mean.dtype) - self.mean) / self.std
        # Exported graphs always pad, because they must work for any image size.
        if torch.compiler.is_exporting() or height % stride or width % stride:
            image = pad_to_multiple(image, stride)
        features: list[Tensor] = self.encoder(image.contiguous(memory_format=self._memory_format))
        return features


def _crop_padding(maps: list[Tensor], image: Tensor) -> list[Tensor]:
    height, width = image.shape[-2:]
    return [x[..., :height, :width] for x in maps]


def check_image(image: Tensor, device: torch.device | None = None) -> None:
    """Raise TypeError or ValueError unless images are N×3×H×W floats on the network's device.

    Otherwise a convolution would raise a less clear error. Values are not checked, to save time.
    """
    if not isinstance(image, Tensor):
        raise TypeError(f"image is a {type(image).__name__}: pass a tensor, or use Predictor")
    if not image.is_floating_point():
        raise TypeError(f"image is {image.dtype}: pass floats in [0, 1], such as bytes / 255")
    shape = tuple(image.shape)
    if image.ndim != 4 or image.shape[1] != 3:
        raise ValueError(f"image has shape {shape}: expected (N, 3, H, W), RGB")
    # A compiled graph serves all sizes, so it must not branch on them.
    if not torch.compiler.is_compiling() and 0 in shape:
        raise ValueError(f"image has shape {shape}: pass at least one image of at least one pixel")
    if device is not None and image.device != device:
        raise ValueError(
            f"image is on {image.device} but the network is on {device}: move one of them"
        )
