"""Builds the networks of the paper, and networks with an encoder from timm."""

from collections.abc import Sequence
from typing import Any

from gfm.models import encoders
from gfm.models.encoders import Pretrained, StagedEncoder
from gfm.models.gfm import GFM
from gfm.models.timm_encoder import timm_encoder


def gfm_r34(rosta: str = "tt", *, pretrained: Pretrained = False, **options: Any) -> GFM:
    """Build GFM(r): ResNet-34.

    Args:
        rosta: ``tt``, ``ft``, ``bt`` or ``rim``.
        pretrained: Whether the encoder starts from ImageNet weights.
        options: Options of :class:`gfm.models.gfm.GFM`. ``decoder_channels`` and ``reduction``
            default to those of the paper, as does ``None``.
    """
    return _build(encoders.resnet34(pretrained), rosta, (64, 64, 128, 256, 512), **options)


def gfm_r34_2b(rosta: str = "tt", *, pretrained: Pretrained = False, **options: Any) -> GFM:
    """Build GFM(r2b): ResNet-34 with two extra blocks; arguments as in :func:`gfm_r34`."""
    return _build(encoders.resnet34_2b(pretrained), rosta, (64, 128, 256, 512, 512, 512), **options)


def gfm_d121(rosta: str = "tt", *, pretrained: Pretrained = False, **options: Any) -> GFM:
    """Build GFM(d): DenseNet-121; arguments as in :func:`gfm_r34`."""
    return _build(encoders.densenet121(pretrained), rosta, (64, 64, 128, 256, 512), **options)


def gfm_r101(rosta: str = "tt", *, pretrained: Pretrained = False, **options: Any) -> GFM:
    """Build GFM(r'): ResNet-101; arguments as in :func:`gfm_r34`."""
    options = {**options, "reduction": options.get("reduction") or 2}
    return _build(encoders.resnet101(pretrained), rosta, (64, 256, 512, 1024, 2048), **options)


def gfm_timm(
    encoder: str, rosta: str = "tt", *, pretrained: Pretrained = False, **options: Any
) -> GFM:
    """Build GFM with an encoder from timm, such as ``convnextv2_tiny``.

    The other arguments are as in :func:`gfm_r34`, but ``decoder_channels`` and ``reduction`` have
    the defaults of :class:`gfm.models.gfm.GFM`. timm's ImageNet weights expect
    ``normalization="imagenet"``, which ``backbone=timm`` sets.
    """
    return GFM(timm_encoder(encoder, pretrained), rosta, **options)


def _build(
    encoder: StagedEncoder,
    rosta: str,
    paper_channels: Sequence[int],
    decoder_channels: Sequence[int] | None = None,
    reduction: int | None = None,
    **options: Any,
) -> GFM:
    return GFM(
        encoder, rosta, decoder_channels or paper_channels, reduction=reduction or 1, **options
    )
