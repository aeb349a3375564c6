"""Merges batch normalisation into convolutions, which makes inference faster."""

from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models.resnet import BasicBlock, Bottleneck

_ORDERED = (nn.Sequential, BasicBlock, Bottleneck)
"""Modules that apply a convolution and the norm after it in the order in which they hold them."""


def fold_batchnorm(model: nn.Module) -> None:
    """Merge each batch normalisation into the convolution before it.

    In evaluation both are linear, so that one convolution computes the two, equal to rounding. The
    network cannot be trained afterwards. Norms whose order is not known for certain stay, such as
    those of DenseNet's layers and of encoders from timm.

    Args:
        model: Network in evaluation; its modules are replaced.
    """
    for block in list(model.modules()):
        if not isinstance(block, _ORDERED):
            continue
        for (conv_name, conv), (norm_name, norm) in pairwise(list(block.named_children())):
            # Subclasses may do more, such as timm's norms, which have an activation in them.
            if type(conv) is nn.Conv2d and type(norm) is nn.BatchNorm2d:
                setattr(block, conv_name, fuse_conv_bn_eval(conv, norm))
                setattr(block, norm_name, nn.Identity())
