"""Finds batch-normalisation layers, and folds them into convolutions."""

from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from gfm.compat.torchvision import BasicBlock, Bottleneck

BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | nn.SyncBatchNorm
"""Batch-normalisation layers; timm's derive from these. torch's common base class is private."""

_ORDERED = (nn.Sequential, BasicBlock, Bottleneck)
"""Modules that apply each norm directly after the convolution registered before it."""


def find_batchnorms(network: nn.Module) -> list[BatchNorm]:
    """Return the batch-normalisation layers, in the order of the network's modules."""
    return [module for module in network.modules() if isinstance(module, BatchNorm)]


def fold_batchnorm(network: nn.Module) -> None:
    """Fold each batch-normalisation layer into the preceding convolution, for faster inference.

    In evaluation mode both are linear, so one convolution can replace them, up to rounding. The
    network is changed in place and cannot be trained afterwards. Norms are kept where the order of
    the layers is uncertain, such as in DenseNet and in encoders from timm.
    """
    for block in filter(_is_ordered, list(network.modules())):
        # Unlike `named_children`, this repeats a layer that is applied several times.
        for (conv_name, conv), (norm_name, norm) in pairwise(list(block._modules.items())):
            # Exact types, because subclasses may do more: timm's norms include an activation.
            if type(conv) is not nn.Conv2d or type(norm) is not nn.BatchNorm2d:
                continue
            # Older spectral norms and pruning compute weights, and some norms use the batch.
            if isinstance(conv.weight, nn.Parameter) and norm.running_mean is not None:
                setattr(block, conv_name, fuse_conv_bn_eval(conv, norm))
                setattr(block, norm_name, nn.Identity())


def _is_ordered(block: nn.Module) -> bool:
    # Subclasses with a `forward` of their own may use a convolution's output elsewhere, too.
    return any(isinstance(block, k) and type(block).forward is k.forward for k in _ORDERED)
