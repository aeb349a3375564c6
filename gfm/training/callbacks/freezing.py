"""Freezes parts of the network for the whole run, or for its first epochs."""

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from torch import nn

from gfm.errors import GFMError
from gfm.models.batchnorm import find_batchnorms

NORMS = "norms"


class Freezing(Callback):
    """Freezes the weights of parts of the network, and their batch-norm statistics.

    With ``unfreeze_every``, parts are unfrozen one by one (gradual unfreezing: Howard and Ruder,
    ULMFiT, ACL 2018), an encoder stage by stage from the deepest. The optimiser holds the
    parameters of all parts from the beginning, so a run can be resumed at any time.

    Args:
        parts: Names of submodules of the network, such as ``encoder`` or ``glance.stages.0``;
            ``norms`` stands for all batch norms, whose statistics small batches would spoil.
        unfreeze_every: Number of epochs after which the next part is unfrozen; ``None`` keeps all
            parts frozen.
    """

    # Lightning's BaseFinetuning sets requires_grad and adds parameter groups when it unfreezes.
    # DDP has fixed its gradient buckets by then, and a resumed run would need the same groups.

    def __init__(self, parts: Sequence[str], unfreeze_every: int | None = None) -> None:
        self.parts = [parts] if isinstance(parts, str) else list(parts)
        self.unfreeze_every = unfreeze_every
        self.modules: list[nn.Module] = []  # in the order of unfreezing
        self.frozen: list[nn.Parameter] = []

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:  # noqa: D102
        if stage != "fit":
            return
        self._find(pl_module)
        if self.unfreeze_every is None:  # before the optimiser and DDP are set up
            for module in self.modules:
                module.requires_grad_(False)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        self._find(pl_module)  # because the layer synchronisation of other plugins replaces norms
        self._freeze(trainer.current_epoch)  # a run may resume in the middle of an epoch

    def _find(self, pl_module: pl.LightningModule) -> None:
        model: Any = pl_module.model
        self.modules = [module for part in self.parts for module in _in_order(model, part)]

    def on_train_epoch_start(self, trainer: pl.Trainer, *_: Any) -> None:  # noqa: D102
        self._freeze(trainer.current_epoch)

    def _freeze(self, epoch: int) -> None:
        num_unfrozen = epoch // self.unfreeze_every if self.unfreeze_every else 0
        for index, module in enumerate(self.modules):
            module.train(index < num_unfrozen)
        self.frozen = [p for m in self.modules[num_unfrozen:] for p in m.parameters()]

    def on_before_optimizer_step(self, trainer: pl.Trainer, *_: Any) -> None:  # noqa: D102
        # Optimisers skip parameters without a gradient.
        for parameter in self.frozen:
            parameter.grad = None


def _in_order(model: nn.Module, part: str) -> list[nn.Module]:
    """Return the modules of a part, in the order of unfreezing."""
    if part == NORMS:
        return [nn.ModuleList(find_batchnorms(model))]
    try:
        module = model.get_submodule(part)
    except AttributeError:
        names = ", ".join([*(name for name, _ in model.named_children()), NORMS])
        raise GFMError(f"freeze: the network has no part {part}: choose from {names}") from None
    stages = getattr(module, "stages", None) if part == "encoder" else None
    return list(reversed(stages)) if isinstance(stages, nn.ModuleList) else [module]
