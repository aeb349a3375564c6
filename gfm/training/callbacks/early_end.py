"""Ends a run when its validations no longer improve."""

from typing import Any, Literal

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping

from gfm.compat.lightning import is_accumulating
from gfm.system.console import console


class EarlyEnd(EarlyStopping):
    """Ends a run when its validations no longer improve, and prints a message.

    Unlike with Lightning's class, a run that ended early ends again at once if it is resumed, and
    no run ends while gradients accumulate, because a resumed run would lack them.

    Args:
        monitor: Name of the metric as logged, such as ``val/sad``; ``None`` never ends a run.
        mode: ``min`` if lower values are better, ``max`` if higher.
        patience: Number of validations without improvement after which the run ends.
    """

    def __init__(self, monitor: str | None, mode: Literal["min", "max"], patience: int) -> None:
        # A value that is not finite counts as no improvement, as for the objective.
        options = {"check_finite": False, "check_on_train_epoch_end": False}
        super().__init__(monitor or "", mode=mode, patience=patience, **options)
        self._is_due = False  # whether the run ends with the current step

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:  # noqa: D102
        # The current option replaces the saved one.
        super().load_state_dict({**state_dict, "patience": self.patience})

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        if self.wait_count >= self.patience:  # restored from a checkpoint
            self._end(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        if not self.monitor:
            return
        was_stopping = trainer.should_stop
        super().on_validation_end(trainer, pl_module)
        if trainer.should_stop and not was_stopping:
            if is_accumulating(trainer):
                trainer.should_stop, self._is_due = False, True
            else:
                self._end(trainer)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:  # noqa: D102
        if self._is_due and not is_accumulating(trainer):
            self._end(trainer)

    def _end(self, trainer: pl.Trainer) -> None:
        trainer.should_stop, self._is_due = True, False
        if trainer.is_global_zero:
            text = f"the last {self.patience} validations did not improve {self.monitor}, so"
            console().print(f"{text} training ends after {trainer.global_step} steps")
