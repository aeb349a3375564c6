"""How a run ends that is told to, so that it can go on."""

import signal
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.trainer.states import TrainerFn

from gfm.compat.lightning import (
    SIGTERMException,
    agree_on_sigterm_elsewhere,
    logs_now,
    set_terminated,
)


class SaveWhenTerminated(Callback):
    """Saves the run before SIGTERM ends it, as schedulers send it to make room.

    Of several processes each gets the signal in a place of its own, where Lightning would broadcast
    at once: for ever, if another waits for a gradient. They note the signal instead, and stop
    together after the next step that logs, or the validation that they are in.

    Args:
        path: of the checkpoint; the run goes on from there.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.noted = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        def note(*_: Any) -> None:
            self.noted = True
            _pass_on(trainer)

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
        self._agree(trainer)

    def _agree(self, trainer: pl.Trainer) -> None:
        if trainer.world_size > 1:
            noted = trainer.strategy.reduce_boolean_decision(self.noted, all=False)
            set_terminated(trainer, noted)

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        leave_when_terminated(trainer)

    def on_exception(  # noqa: D102
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        # The test at the end is of the best weights, which are not those to go on from.
        if isinstance(exception, SIGTERMException) and trainer.state.fn == TrainerFn.FITTING:
            trainer.save_checkpoint(self.path)


def leave_when_terminated(trainer: pl.Trainer) -> None:
    """Lets each of several processes go at once, where there is nothing to save."""

    def leave(*_: Any) -> None:
        _pass_on(trainer)
        raise SIGTERMException

    if trainer.world_size > 1:
        signal.signal(signal.SIGTERM, leave)


def _pass_on(trainer: pl.Trainer) -> None:
    """SIGTERM, to processes that this one started."""
    if trainer.strategy.launcher is not None:
        trainer.strategy.launcher.kill(signal.SIGTERM)
