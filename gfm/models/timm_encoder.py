"""Turns any timm network with a feature pyramid, or a plain transformer, into an encoder.

timm's networks differ in the layout of their features, in the image sizes they accept, and in the
parameters that their features leave unused. Instead of a list of networks, each is run once on the
``meta`` device, which needs no memory, and its outputs are examined.
"""

import difflib
import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge

from gfm.errors import GFMError
from gfm.models.encoders import Encoder, Pretrained, build_pretrained
from gfm.system.extras import import_optional

# Some networks accept only one image size unless given one of these options.
_SIZE_OPTIONS: Sequence[Mapping[str, bool]] = (
    {},
    {"strict_img_size": False},
    {"dynamic_img_size": True},
)
_FINEST = 4  # the largest stride that the first feature may have


class TimmEncoder(Encoder):
    """Features of a timm network: the last one at each stride.

    If the features of a network start coarser than stride 4, as those of plain transformers do, a
    few convolutions on the image provide the missing strides, like the detail branch of ViTMatte
    (Yao et al., Information Fusion 2024). ``net`` must be built with ``features_only``.
    """

    def __init__(self, net: nn.Module, strides: Sequence[int]) -> None:
        super().__init__()
        self.net = net
        info: Any = net.feature_info
        last = {stride: index for index, stride in enumerate(strides)}
        self.indices = list(last.values())
        # Only networks whose output has the channels last state their format.
        self.is_nhwc = getattr(getattr(net, "output_fmt", None), "value", "") == "NHWC"

        missing = [s for s in (2, 4, 8, 16) if strides[0] > _FINEST and _divides(s, strides[0])]
        channels = [48 * 2**i for i in range(len(missing))]
        self.details = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(out_channels),
                nn.ReLU(inplace=True),
            )
            for in_channels, out_channels in zip([3, *channels], channels, strict=False)
        )
        self.channels = (*channels, *(info.channels()[i] for i in self.indices))
        self.strides = (*missing, *last)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Turn an N×3×H×W image into one feature per stride."""
        features = []
        detail = image
        for layer in self.details:
            detail = layer(detail)
            features.append(detail)
        outputs = self.net(image)
        chosen = [outputs[index] for index in self.indices]
        return features + [x.permute(0, 3, 1, 2) if self.is_nhwc else x for x in chosen]


def _divides(stride: int, coarser: int) -> bool:
    return stride < coarser and coarser % stride == 0


def timm_encoder(name: str, pretrained: Pretrained = False) -> TimmEncoder:
    """Make an encoder from a timm network, named with or without the tag of its weights.

    Parameters that no feature depends on are frozen, so that all others receive a gradient.

    Raises:
        GFMError: The network is unknown, or gives no feature pyramid for images of any size.
    """
    timm = import_optional("timm", "timm", "backbone=timm")
    if not timm.is_model(name):
        raise GFMError(f"timm has no network {name!r}: {_suggest(timm, name)}")
    options, strides, unused = _examine(name)
    net = build_pretrained(
        lambda load: timm.create_model(name, pretrained=load, features_only=True, **options),
        pretrained,
        name,
        "or fill the Hugging Face cache on a machine that is online",
    )
    for parameter_name, parameter in net.named_parameters():
        parameter.requires_grad_(parameter_name not in unused)
    return TimmEncoder(net, strides)


def _suggest(timm: Any, name: str) -> str:
    names = timm.list_models()
    stem = name.split(".")[0]
    close = difflib.get_close_matches(stem, names, n=3) or [n for n in names if stem in n][:3]
    if close:
        return f"did you mean {' or '.join(close)}?"
    return "choose one of timm.list_models()"


@functools.cache
def _examine(name: str) -> tuple[Mapping[str, bool], tuple[int, ...], frozenset[str]]:
    """Return the options that allow any image size, the strides, and the unused parameters."""
    timm = import_optional("timm", "timm", "backbone=timm")
    reason = ""
    for options in _SIZE_OPTIONS:
        try:
            with torch.device("meta"):
                net = timm.create_model(name, features_only=True, **options).train()
                return options, *_probe(net)
        # Networks may raise anything; the first error is the most informative.
        except Exception as error:
            reason = reason or (str(error) or type(error).__name__).splitlines()[0]
    raise GFMError(
        f"timm's {name} gives no features for images of any size ({reason}): choose another name"
    )


def _probe(net: Any) -> tuple[tuple[int, ...], frozenset[str]]:
    """Return the strides and unused parameters of a network, by running it on a 5:7 image."""
    strides = tuple(net.feature_info.reduction())
    pyramid = list(dict.fromkeys(strides))
    if any(not _divides(a, b) for a, b in itertools.pairwise(pyramid)):
        raise ValueError(f"their strides are {strides}")
    encoder = TimmEncoder(net, strides)
    # Odd numbers, because MobileViT v2 returns features of a different size for them.
    features = encoder(torch.zeros(2, 3, 5 * strides[-1], 7 * strides[-1]))
    for feature, channels, stride in zip(features, encoder.channels, encoder.strides, strict=True):
        scale = strides[-1] // stride
        if feature.shape != (2, channels, 5 * scale, 7 * scale):
            raise ValueError(f"stride {stride} has a feature of shape {tuple(feature.shape)}")
    return strides, _unused(net, features)


def _unused(net: nn.Module, outputs: Sequence[Tensor]) -> frozenset[str]:
    """Return the names of the trainable parameters on which no output depends."""
    nodes = [get_gradient_edge(output).node for output in outputs]
    seen = set(nodes)
    while nodes:
        for node, _ in nodes.pop().next_functions:
            if node is not None and node not in seen:
                seen.add(node)
                nodes.append(node)
    trainable = ((name, p) for name, p in net.named_parameters() if p.requires_grad)
    return frozenset(name for name, p in trainable if get_gradient_edge(p).node not in seen)
