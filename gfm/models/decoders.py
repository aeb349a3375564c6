"""The glance decoder and the focus decoder (GFM, section 4.2).

Both go from the encoder's deepest feature up to full resolution, with one stage per feature. They
differ in what each stage concatenates: the glance decoder takes the pyramid-pooled context, and the
focus decoder the encoder's feature. Each ends in one head per RoSTA branch, which returns logits.

Decoders depend only on the channels and strides of an encoder. ``decoder_channels[i]`` is the
number of channels at feature ``i``, finest first; the middle convolution of a stage has
``reduction`` times fewer.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gfm.models.blocks import PyramidPooling, conv_bn_relu, conv_stack, upsample


class _Decoder(nn.Module):
    """The stages of a decoder, from the deepest feature upwards, and its heads.

    If the finest feature has full resolution, it has its own stage, and each head is a single
    convolution. Otherwise, each head is itself the last stage, and enlarges by the finest stride.
    """

    def __init__(
        self,
        strides: Sequence[int],
        decoder_channels: Sequence[int],
        bottom_channels: int,
        skip_channels: Sequence[int],
        head_channels: Sequence[int],
        reduction: int,
    ) -> None:
        super().__init__()
        self.is_full_resolution = strides[0] == 1
        x_channels = bottom_channels
        stages = []
        for level in reversed(range(0 if self.is_full_resolution else 1, len(strides))):
            finer = max(level - 1, 0)
            in_channels = x_channels + skip_channels[level]
            mid_channels = max(1, decoder_channels[level] // reduction)
            layers = conv_stack(
                in_channels, decoder_channels[level], mid_channels, decoder_channels[finer]
            )
            stages.append(nn.Sequential(*layers, *upsample(strides[level] // strides[finer])))
            x_channels = decoder_channels[finer]
        self.stages = nn.ModuleList(stages)
        finest = decoder_channels[0]
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Conv2d(x_channels, num_outputs, 3, padding=1))
            if self.is_full_resolution
            else nn.Sequential(
                *conv_stack(x_channels + skip_channels[0], finest, finest),
                nn.Conv2d(finest, num_outputs, 3, padding=1),
                *upsample(strides[0]),
            )
            for num_outputs in head_channels
        )

    def concatenate(self, x: Tensor, skip: Tensor) -> Tensor:
        """Concatenate the inputs of a stage; released weights determine the channel order."""
        return torch.cat([x, skip], dim=1)

    def decode(self, bottom: Tensor, skips: Sequence[Tensor]) -> list[Tensor]:
        """Turn the deepest input and the skips, deepest first, into N×C×H×W logits per head."""
        x = bottom
        for stage, skip in zip(self.stages, skips, strict=False):
            x = stage(self.concatenate(x, skip))
        if not self.is_full_resolution:
            x = self.concatenate(x, skips[-1])
        return [head(x) for head in self.heads]


class GlanceDecoder(_Decoder):
    """Classifies every pixel from its context: one map of class logits per branch."""

    def __init__(
        self,
        channels: Sequence[int],
        strides: Sequence[int],
        decoder_channels: Sequence[int],
        num_classes: Sequence[int],
        reduction: int = 1,
    ) -> None:
        super().__init__(
            strides, decoder_channels, channels[-1], decoder_channels, num_classes, reduction
        )
        self.pyramid = PyramidPooling(channels[-1], decoder_channels[-1])
        self.context = nn.ModuleList(
            nn.Sequential(
                *conv_bn_relu(decoder_channels[-1], width), *upsample(strides[-1] // stride)
            )
            for width, stride in zip(decoder_channels[-2::-1], strides[-2::-1], strict=True)
        )

    def concatenate(self, x: Tensor, skip: Tensor) -> Tensor:
        """Concatenate with the context first."""
        return torch.cat([skip, x], dim=1)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Turn features, finest first, into the N×C×H×W class logits of each branch."""
        pooled = self.pyramid(features[-1])
        return self.decode(features[-1], [pooled, *(layer(pooled) for layer in self.context)])


class FocusDecoder(_Decoder):
    """Regresses details: one N×1×H×W map of logits per branch."""

    def __init__(
        self,
        channels: Sequence[int],
        strides: Sequence[int],
        decoder_channels: Sequence[int],
        num_branches: int,
        reduction: int = 1,
    ) -> None:
        super().__init__(
            strides, decoder_channels, channels[-1], channels, [1] * num_branches, reduction
        )
        self.bridge = nn.Sequential(*conv_stack(channels[-1], *[channels[-1]] * 3, dilation=2))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Turn features, finest first, into the N×1×H×W logits of each branch."""
        return self.decode(self.bridge(features[-1]), features[::-1])
