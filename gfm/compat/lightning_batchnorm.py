"""Synchronises batch norms for ``trainer.sync_batchnorm``, including those with activations.

``tests/compat/test_lightning_batchnorm.py`` fails if a release of Lightning or timm changes
what this relies on.
"""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.plugins.layer_sync import TorchSyncBatchNorm
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gfm.errors import GFMError


class SyncBatchNormAct(nn.SyncBatchNorm):
    """timm's ``BatchNormAct2d``, which includes an activation, synchronised over processes."""

    act: nn.Module
    drop: nn.Module

    def forward(self, input: Tensor) -> Any:
        """Normalise and activate N×C×H×W."""
        return self.act(self.drop(super().forward(input)))


class SyncBatchNorms(TorchSyncBatchNorm):
    """``TorchSyncBatchNorm`` that keeps activations.

    Lightning's class replaces every layer with one that only normalises. Many timm networks would
    train without activations but be evaluated with them, so their mattes would differ. Here the
    layers are kept, and only their class changes during training.
    """

    def __init__(self) -> None:
        self.classes: list[tuple[nn.Module, type]] = []  # layers, and their original classes

    def apply(self, model: nn.Module) -> nn.Module:
        """Synchronise the layers in place.

        Raises:
            GFMError: A layer extends batch normalisation in an unknown way.
        """
        for norm in model.modules():
            if isinstance(norm, _BatchNorm) and not isinstance(norm, nn.SyncBatchNorm):
                self.classes.append((norm, type(norm)))
                norm.__class__ = _synchronized(type(norm))  # type: ignore[assignment]
                norm.process_group = None  # type: ignore[assignment]  # all processes
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        """Restore the layers in place."""
        for norm, kind in self.classes:
            norm.__class__ = kind
        self.classes.clear()
        return model


def _synchronized(kind: type[nn.Module]) -> type[nn.Module]:
    if kind.forward is _BatchNorm.forward:
        return nn.SyncBatchNorm
    if kind.forward.__qualname__ == "BatchNormAct2d.forward":
        return SyncBatchNormAct
    raise GFMError(
        f"trainer.sync_batchnorm=true cannot synchronise {kind.__name__}, which does more than "
        "batch normalisation: set trainer.sync_batchnorm=false"
    )


def synchronize_norms(trainer: pl.Trainer) -> None:
    """Let Lightning use :class:`SyncBatchNorms` if it is to synchronise batch norms.

    All processes then compute the same statistics, so DDP need not broadcast rank zero's buffers
    before each step.
    """
    strategy: Any = trainer.strategy
    if type(getattr(strategy, "_layer_sync", None)) is TorchSyncBatchNorm:
        strategy._layer_sync = SyncBatchNorms()
        if isinstance(strategy, DDPStrategy):
            strategy._ddp_kwargs.setdefault("broadcast_buffers", False)
