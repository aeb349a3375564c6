"""How a run ends that is told to, so that it can go on."""

import signal
import threading
from pathlib import Path
from typing import Any, Final

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.trainer.states import TrainerFn

from gfm.compat.lightning import (
    SIGTERMException,
    agree_on_sigterm_elsewhere,
    logs_now,
    set_terminated,
)

INTERRUPTED: Final = 130
"""Exit status of what Control-C ended, as shells have it."""


class SaveAtEnd(Callback):
    """Saves the run when it ends: as planned, by SIGTERM, or by Control-C.

    Schedulers send SIGTERM to make room. Of several processes each gets a signal in a place of its
    own, where Lightning would broadcast at once: for ever, if another waits for a gradient. They
    note the signal instead, and stop together after the next step that logs, or the validation
    that they are in.
    Control-C is noted likewise; a second one ends at once, and saves nothing.

    Args:
        path: of the checkpoint; the run goes on from there.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.noted: int | None = None
        self.saved_step = -1
        self._before: Any = signal.SIG_DFL

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        def note(number: int, *_: Any) -> None:
            self.noted = number
            if trainer.world_size == 1:
                set_terminated(trainer, True)
            elif number == signal.SIGTERM:  # Control-C reaches all of them by itself
                _pass_on(trainer)
            if number == signal.SIGINT:
                signal.signal(signal.SIGINT, signal.default_int_handler)

        self._before = _handle(signal.SIGINT, note)
        if trainer.world_size > 1:
            signal.signal(signal.SIGTERM, note)  # until Lightning puts back what was before it
            agree_on_sigterm_elsewhere(trainer)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:  # noqa: D102
        if logs_now(trainer):  # to agree, all wait for their GPUs
            self._agree(trainer)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        if trainer.world_size > 1:  # one with a single photo would not leave as the others do
            set_terminated(trainer, False)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        self.saved_step = -1  # what was saved before has the statistics of norms from before
        self._agree(trainer)

    def _agree(self, trainer: pl.Trainer) -> None:
        if trainer.world_size > 1:
            noted = trainer.strategy.reduce_boolean_decision(self.noted is not None, all=False)
            set_terminated(trainer, noted)

    def on_save_checkpoint(  # noqa: D102
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self.saved_step = trainer.global_step  # not of weights alone, for which nobody is asked

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        if self.saved_step != trainer.global_step and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            trainer.save_checkpoint(self.path)
        _handle(signal.SIGINT, self._before)

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        leave_when_told(trainer)

    def on_exception(  # noqa: D102
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        # The test at the end is of the best weights, which are not those to go on from.
        if not isinstance(exception, SIGTERMException) or trainer.state.fn != TrainerFn.FITTING:
            return
        trainer.save_checkpoint(self.path)
        if self.noted == signal.SIGINT:
            exception.code = INTERRUPTED


def leave_when_told(trainer: pl.Trainer) -> None:
    """Lets processes go at once, where there is nothing to save."""

    def interrupt(*_: Any) -> None:
        raise SIGTERMException(INTERRUPTED)

    def leave(*_: Any) -> None:
        _pass_on(trainer)
        raise SIGTERMException

    _handle(signal.SIGINT, interrupt)
    if trainer.world_size > 1:
        signal.signal(signal.SIGTERM, leave)


def _handle(number: int, handler: Any) -> Any:
    """Sets a signal's handler where Python lets it, which is in the main thread alone."""
    if threading.current_thread() is threading.main_thread():
        return signal.signal(number, handler)
    return None


def _pass_on(trainer: pl.Trainer) -> None:
    """SIGTERM, to processes that this one started."""
    if trainer.strategy.launcher is not None:
        trainer.strategy.launcher.kill(signal.SIGTERM)
