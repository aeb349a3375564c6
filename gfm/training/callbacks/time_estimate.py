"""Estimates how long a run will take."""

import math
import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.trainer.states import TrainerFn

from gfm.compat.lightning import should_update_logs
from gfm.system.console import console


class TimeEstimate(Callback):
    """Prints once, early in a run, about how long the remaining steps will take.

    If a validation ran before the first step, the estimate includes the later ones.

    Args:
        seconds: Time to measure before the estimate.
        num_steps: Number of steps that suffice even if they take less time.
    """

    def __init__(self, seconds: float = 10.0, num_steps: int = 20) -> None:
        self.seconds = seconds
        self.num_steps = num_steps
        self.validation: float | None = None  # seconds
        self.began = 0.0
        self.first: tuple[int, float] | None = None  # step and time
        self.is_done = False

    def on_validation_start(self, *_: Any) -> None:  # noqa: D102
        self.began = time.perf_counter()

    def on_validation_end(self, trainer: pl.Trainer, *_: Any) -> None:  # noqa: D102
        if trainer.state.fn == TrainerFn.VALIDATING:
            self.validation = time.perf_counter() - self.began
        elif not trainer.sanity_checking:
            self.first = None  # the time between two steps would include the validation

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:  # noqa: D102
        if self.is_done or not trainer.is_global_zero or not should_update_logs(trainer):
            return
        step, now = trainer.global_step, time.perf_counter()
        if self.first is None:  # the first step takes longer than others
            self.first = step, now
            return
        steps, elapsed = step - self.first[0], now - self.first[1]
        if steps and (steps >= self.num_steps or elapsed >= self.seconds):
            self.is_done = True
            self._print(trainer, elapsed / steps)

    def _print(self, trainer: pl.Trainer, seconds_per_step: float) -> None:
        left = trainer.estimated_stepping_batches - trainer.global_step
        if left <= 0 or math.isinf(left):  # infinite if only time limits the run
            return
        seconds, what = seconds_per_step * left, f"the remaining {left:.0f} steps"
        every = trainer.val_check_interval / trainer.accumulate_grad_batches  # steps
        if self.validation is not None and trainer.check_val_every_n_epoch is None:
            number = int(left // every) + 1  # and the final test
            seconds += number * self.validation
            what += f" and {number} validations"
        console().print(f"about {format_roughly(seconds)} for {what}")


def format_roughly(seconds: float) -> str:
    """Format seconds in a suitable unit: ``40 seconds``, ``3 minutes``, ``2.5 hours``."""
    if seconds < 90:
        return f"{max(seconds, 2):.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
