"""Activation checkpointing: blocks save only their input, and recompute the rest for gradients.

It works for any network, because blocks are found by how modules are nested, not by their names.
Parameters, buffers and their names stay the same, so checkpoint files load with and without it.
torch's private ``apply_activation_checkpointing`` would update running statistics twice per batch.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from gfm.models.batchnorm import find_batchnorms


def apply_activation_checkpointing(network: nn.Module) -> None:
    """Make every block recompute its activations, without changing gradients or statistics."""
    for block in _blocks(network):
        # Set on the instance, because a wrapping module would rename every parameter.
        object.__setattr__(block, "forward", _CheckpointedForward(block))


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the largest parts below the stages: residual blocks, or sequences of convolutions."""
    for child in module.children():
        is_leaf = next(child.children(), None) is None
        is_flat_sequence = isinstance(child, nn.Sequential) and not any(
            next(part.children(), None) for part in child
        )
        is_element = isinstance(module, nn.Sequential | nn.ModuleList)
        is_container = isinstance(child, nn.Sequential | nn.ModuleList)
        if not is_leaf and (is_flat_sequence or (is_element and not is_container)):
            yield child
        else:
            yield from _blocks(child)


class _CheckpointedForward:
    """Replaces the ``forward`` of a block."""

    def __init__(self, block: nn.Module) -> None:
        self.block = block
        self.forward: Callable[..., Any] = block.forward

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return self.forward(*args, **kwargs)
        if torch.compiler.is_compiling():  # compiled graphs update running statistics only once
            return checkpoint(self.run, *args, use_reentrant=False, **kwargs)
        return checkpoint(self.run, *args, use_reentrant=False, context_fn=self.contexts, **kwargs)

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Run the block on copies of lists, because HRNet's blocks modify the lists they get."""
        copies = (list(a) if isinstance(a, list) else a for a in args)
        return self.forward(*copies, **kwargs)

    def contexts(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        """Return the contexts of the forward pass and of its recomputation."""
        return nullcontext(), self.without_statistics()

    @contextmanager
    def without_statistics(self) -> Iterator[None]:
        """Keep a recomputed batch from counting twice in the running statistics."""
        # Looked up late, because torch.nn.SyncBatchNorm.convert_sync_batchnorm replaces them.
        norms = find_batchnorms(self.block)
        saved = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
        for norm in norms:
            norm.momentum = 0.0
            if norm.num_batches_tracked is not None:
                norm.num_batches_tracked = norm.num_batches_tracked.clone()
        try:
            yield
        finally:
            for norm, (momentum, count) in zip(norms, saved, strict=True):
                norm.momentum, norm.num_batches_tracked = momentum, count
