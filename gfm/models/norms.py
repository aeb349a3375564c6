"""Finds the layers of batch normalisation in a network."""

from torch import nn

BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | nn.SyncBatchNorm
"""Batch normalisation; the layers of timm, and those that several processes share, derive from it.

torch's own base class of the four is private.
"""


def batch_norms(network: nn.Module) -> list[BatchNorm]:
    """Return the layers of batch normalisation of a network, in the order of its modules."""
    return [module for module in network.modules() if isinstance(module, BatchNorm)]
