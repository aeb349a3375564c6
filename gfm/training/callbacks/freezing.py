"""Freezes parts of the network, for the whole run or for some epochs."""

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from torch import nn

from gfm.errors import GFMError


class Freezing(Callback):
    """Freezes the weights of parts of the network, and the statistics of their normalisation.

    With ``unfreeze_every``, the parts start to learn one by one, as in gradual unfreezing (Howard
    and Ruder, ULMFiT, ACL 2018); an encoder starts stage by stage from the deepest. The optimiser
    holds the parameters of all parts from the beginning, so a run can be resumed at any time.

    Args:
        parts: Names of submodules of the network, such as ``encoder`` or ``glance.stages.0``.
        unfreeze_every: Number of epochs after which another part starts to learn; ``None`` keeps
            all frozen.

    Raises:
        GFMError: ``unfreeze_every`` is below 1.
    """

    def __init__(self, parts: Sequence[str], unfreeze_every: int | None = None) -> None:
        if unfreeze_every is not None and unfreeze_every < 1:
            raise GFMError(f"unfreeze_every={unfreeze_every}: set a number of epochs above 0")
        self.parts = [parts] if isinstance(parts, str) else list(parts)
        self.unfreeze_every = unfreeze_every
        self.modules: list[nn.Module] = []  # in the order in which they start to learn
        self.resting: list[nn.Parameter] = []

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:  # noqa: D102
        if stage != "fit":
            return
        model: Any = pl_module.model
        self.modules = [module for part in self.parts for module in _in_order(model, part)]
        if self.unfreeze_every is None:  # before the optimiser and other processes see them
            for module in self.modules:
                module.requires_grad_(False)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        self._freeze(trainer.current_epoch)  # a run may go on in the middle of an epoch

    def on_train_epoch_start(  # noqa: D102
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> None:
        self._freeze(trainer.current_epoch)

    def _freeze(self, epoch: int) -> None:
        num_learning = epoch // self.unfreeze_every if self.unfreeze_every else 0
        for index, module in enumerate(self.modules):
            module.train(index < num_learning)
        self.resting = [p for m in self.modules[num_learning:] for p in m.parameters()]

    def on_before_optimizer_step(  # noqa: D102
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Any
    ) -> None:
        # Not by requires_grad, because processes agree at the start on the gradients to exchange.
        # An optimiser skips parameters without a gradient.
        for parameter in self.resting:
            parameter.grad = None


def _in_order(model: nn.Module, part: str) -> list[nn.Module]:
    """Return the modules of a part, in the order in which they start to learn."""
    try:
        module = model.get_submodule(part)
    except AttributeError:
        names = ", ".join(name for name, _ in model.named_children())
        raise GFMError(f"freeze: the network has no part {part}: choose of {names}") from None
    stages = getattr(module, "stages", None) if part == "encoder" else None
    return list(reversed(stages)) if isinstance(stages, nn.ModuleList) else [module]
