"""Encoders, which turn an image into features, finest first."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from gfm.compat.torchvision import BasicBlock, models
from gfm.errors import GFMError


class Encoder(nn.Module):
    """Interface of a backbone; any module may implement it.

    ``forward`` takes an N×3×H×W image, with H and W multiples of the last stride. It returns a list
    of N×C×H/s×W/s features, finest first.

    Attributes:
        channels: C of each feature.
        strides: s of each feature, each a multiple of the one before; the finest is 1, 2 or 4.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]


class StagedEncoder(Encoder):
    """Runs stages in sequence and returns the output of each as a feature."""

    def __init__(
        self, stages: Sequence[nn.Module], channels: Sequence[int], strides: Sequence[int]
    ) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.channels = tuple(channels)
        self.strides = tuple(strides)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Turn an N×3×H×W image into one feature per stage."""
        features = []
        feature = image
        for stage in self.stages:
            feature = stage(feature)
            features.append(feature)
        return features


Pretrained = bool | Literal["auto"]
"""Whether to start from ImageNet weights; ``auto`` only warns if they cannot be loaded."""

_Net = TypeVar("_Net")


def build_pretrained(
    build: Callable[[bool], _Net], pretrained: Pretrained, name: str, fix: str
) -> _Net:
    """Build a network with or without its ImageNet weights; a failure to load raises GFMError.

    Args:
        build: Builds the network; its argument is whether to load the weights.
        pretrained: See :data:`Pretrained`.
        name: Name of the network, for messages.
        fix: Alternative to downloading the weights, for messages.
    """
    if not pretrained:
        return build(False)
    try:
        return build(True)
    except Exception as error:  # offline or a damaged file: libraries raise many types of errors
        reason = (str(error) or type(error).__name__).splitlines()[0]
        failure = f"cannot load ImageNet weights of {name} ({reason})"
        message = f"{failure}: set backbone.pretrained=false, {fix}"
        if pretrained != "auto":
            raise GFMError(message) from error
        warnings.warn(f"{message}; training starts from random weights", stacklevel=2)
        return build(False)


def _torchvision(name: str, pretrained: Pretrained) -> Any:
    return build_pretrained(
        lambda load: models.get_model(name, weights="IMAGENET1K_V1" if load else None),
        pretrained,
        name,
        f"or put torchvision's file into {torch.hub.get_dir()}/checkpoints",
    )


def _resnet(name: str, pretrained: Pretrained, channels: Sequence[int]) -> StagedEncoder:
    net = _torchvision(name, pretrained)
    stem = nn.Sequential(net.conv1, net.bn1, net.relu)
    stages = [stem, nn.Sequential(net.maxpool, net.layer1), net.layer2, net.layer3, net.layer4]
    return StagedEncoder(stages, channels, strides=(2, 4, 8, 16, 32))


def resnet34(pretrained: Pretrained = False) -> StagedEncoder:
    """Make ResNet-34 (``r34``)."""
    return _resnet("resnet34", pretrained, (64, 64, 128, 256, 512))


def resnet101(pretrained: Pretrained = False) -> StagedEncoder:
    """Make ResNet-101 (``r101``)."""
    return _resnet("resnet101", pretrained, (64, 256, 512, 1024, 2048))


def resnet34_2b(pretrained: Pretrained = False) -> StagedEncoder:
    """Make ResNet-34 with a full-resolution stem and two more stages (``r34_2b``).

    The stem and the two stages start from random weights even if ``pretrained``.
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
    """Make DenseNet-121 without the pooling of its stem (``d121``)."""
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
