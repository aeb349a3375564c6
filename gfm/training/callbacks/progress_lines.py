"""Prints the progress of a run."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from gfm.compat.lightning import should_update_logs
from gfm.compat.lightning_callbacks import StepProgressBar
from gfm.system.console import console
from gfm.system.progress import Progress


class ProgressBar(StepProgressBar):
    """A progress bar that is shown on terminals only, so that it does not end up in log files."""

    def __init__(self, **options: Any) -> None:
        super().__init__(console_kwargs={"soft_wrap": True}, **options)
        if not console().is_terminal:
            self.disable()


class ProgressLines(Callback):
    """Prints a line after every validation and, without a terminal, also in between.

    Args:
        interval: Minimum time in seconds between lines other than those after validations.
    """

    def __init__(self, interval: float = 10.0) -> None:
        self.interval = interval
        self.progress: Progress | None = None

    def on_train_start(self, trainer: pl.Trainer, *_: Any) -> None:  # noqa: D102
        if trainer.is_global_zero and not console().is_terminal:
            total = int(trainer.estimated_stepping_batches)
            done, interval = trainer.global_step, self.interval
            self.progress = Progress(total, "step", done, interval, has_bar=False)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:  # noqa: D102
        if self.progress and should_update_logs(trainer):  # such a step waits for the GPU anyway
            loss = trainer.callback_metrics.get("train/loss")
            self.progress.show(trainer.global_step, f"loss {loss:.4g}" if loss is not None else "")

    def on_validation_end(self, trainer: pl.Trainer, *_: Any) -> None:  # noqa: D102
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        logged = trainer.callback_metrics
        shown = [f"{name} {logged[name]:.4g}" for name in _SHOWN if name in logged]
        where = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        if trainer.max_epochs == -1:  # steps limit the run
            where = f"step {trainer.global_step}/{trainer.max_steps}"
        console().print("  ".join([where, *shown]))


_SHOWN = ("train/loss", "val/sad", "val/mad", "val/grad", "val/conn", "val/sad_transition")
