"""Encoders: an image in, features from high to low resolution out.

The contract that decoders rely on, and all there is to adding a backbone: a module whose
``forward(image)`` returns a list of features, finest first, with ``channels`` and ``strides`` of
the same length. Strides grow by whole factors; the finest may be 1, 2 or 4.
"""

import warnings
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models.resnet import BasicBlock

from gfm.errors import GFMError


class StagedEncoder(nn.Module):
    """Stages in a row, each of whose outputs is a feature.

    Attributes:
        channels: of each feature, finest first.
        strides: of each feature against the image, finest first.
    """

    def __init__(
        self, stages: Sequence[nn.Module], channels: Sequence[int], strides: Sequence[int]
    ) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.channels = tuple(channels)
        self.strides = tuple(strides)

    def forward(self, image: Tensor) -> list[Tensor]:
        """N×3×H×W to one feature per stage; H and W multiples of the last stride."""
        features = []
        feature = image
        for stage in self.stages:
            feature = stage(feature)
            features.append(feature)
        return features


Pretrained = bool | Literal["auto"]
"""Whether to start from ImageNet weights; ``auto`` warns and goes on without if it must."""


def _torchvision(name: str, pretrained: Pretrained) -> Any:
    if not pretrained:
        return models.get_model(name, weights=None)
    try:
        return models.get_model(name, weights="IMAGENET1K_V1")
    except OSError as error:  # of which URLError is one
        message = (
            f"no ImageNet weights of {name} ({error}): set backbone.pretrained=false, "
            f"or put torchvision's file into {torch.hub.get_dir()}/checkpoints"
        )
        if pretrained != "auto":
            raise GFMError(message) from error
        warnings.warn(f"{message}; training starts from random weights", stacklevel=2)
        return models.get_model(name, weights=None)


def _resnet(name: str, pretrained: Pretrained, channels: Sequence[int]) -> StagedEncoder:
    net = _torchvision(name, pretrained)
    stem = nn.Sequential(net.conv1, net.bn1, net.relu)
    stages = [stem, nn.Sequential(net.maxpool, net.layer1), net.layer2, net.layer3, net.layer4]
    return StagedEncoder(stages, channels, strides=(2, 4, 8, 16, 32))


def resnet34(pretrained: Pretrained = False) -> StagedEncoder:
    """ResNet-34 (``r34``)."""
    return _resnet("resnet34", pretrained, (64, 64, 128, 256, 512))


def resnet101(pretrained: Pretrained = False) -> StagedEncoder:
    """ResNet-101 (``r101``)."""
    return _resnet("resnet101", pretrained, (64, 256, 512, 1024, 2048))


def resnet34_2b(pretrained: Pretrained = False) -> StagedEncoder:
    """ResNet-34 with a full-resolution stem and two more stages (``r34_2b``).

    The stem and the two stages start from random weights also when ``pretrained``.
    """
    net = _torchvision("resnet34", pretrained)
    stem = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(inplace=True))
    extra = [
        nn.Sequential(nn.MaxPool2d(2, ceil_mode=True), *(BasicBlock(512, 512) for _ in range(3)))
        for _ in range(2)
    ]
    stages = [nn.Sequential(stem, net.layer1), net.layer2, net.layer3, net.layer4, *extra]
    return StagedEncoder(stages, (64, 128, 256, 512, 512, 512), strides=(1, 2, 4, 8, 16, 32))


def densenet121(pretrained: Pretrained = False) -> StagedEncoder:
    """DenseNet-121 without the stem's pooling (``d121``)."""
    net = _torchvision("densenet121", pretrained).features
    last = nn.Sequential(
        net.denseblock4,
        nn.Conv2d(1024, 512, 3, padding=1),
        nn.BatchNorm2d(512),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2, ceil_mode=True),
    )
    stages = [
        nn.Sequential(net.conv0, net.norm0, net.relu0),
        nn.Sequential(net.denseblock1, net.transition1),
        nn.Sequential(net.denseblock2, net.transition2),
        nn.Sequential(net.denseblock3, net.transition3),
        last,
    ]
    return StagedEncoder(stages, (64, 128, 256, 512, 512), strides=(2, 4, 8, 16, 32))
