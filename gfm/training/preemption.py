"""Saves a run that is interrupted, so that it can be resumed."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.trainer.states import TrainerFn

from gfm.compat.lightning import (
    SIGTERMException,
    continue_epoch,
    disable_sigterm_broadcast,
    forward_signal,
    has_counted_epoch,
    is_accumulating,
    set_received_sigterm,
    should_update_logs,
)
from gfm.compat.submitit import requeue_signals
from gfm.errors import INTERRUPTED, GFMError

_ENDED = "ended_by_max_steps"  # checkpoint entry, also of runs that ended for other reasons


class SaveAtEnd(Callback):
    """Saves the run when it ends, normally or by SIGTERM or Control-C.

    Schedulers send SIGTERM to free a machine. Processes receive it at different points of the
    program; Lightning would broadcast it at once, and hang if another rank is waiting for a
    gradient. Here each process only records the signal, and all stop together after the next step
    that logs, or after the current validation. A single process stops after the current step or
    validation photo. Control-C works in the same way; a second Control-C ends the run at once
    without saving. A run never stops between the accumulated batches of a step, because checkpoints
    do not contain gradients. submitit's signal is recorded, too: its handler would end the process
    before the run is saved (see :func:`requeue_after_saving`).

    Args:
        path: Checkpoint to write, from which the run can be resumed.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.received: int | None = None
        self.has_ended = False  # and Lightning counts the last epoch as completed
        self._before: dict[int, Any] = {}  # earlier handlers, by signal

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        def record(number: int, *_: Any) -> None:
            self.received = number
            if trainer.world_size == 1:
                set_received_sigterm(trainer, not is_accumulating(trainer))
            elif number == signal.SIGTERM:  # the terminal sends Control-C to all processes
                forward_signal(trainer, number)
            if number == signal.SIGINT:
                signal.signal(signal.SIGINT, signal.default_int_handler)

        if trainer.received_sigterm:  # before this handler was set
            self.received = signal.SIGTERM
        # Lightning restores all earlier handlers after a fit, a validation or a test.
        numbers = (signal.SIGINT, *requeue_signals())
        self._before = {number: _handle(number, record) for number in numbers}
        _handle(signal.SIGTERM, record)
        if trainer.world_size > 1:
            disable_sigterm_broadcast(trainer)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:  # noqa: D102
        # Agreeing waits for the GPUs, so several processes do it only at steps that log.
        if trainer.world_size == 1 or should_update_logs(trainer):
            self._agree(trainer)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        if trainer.state.fn == TrainerFn.VALIDATING:
            exit_on_signal(trainer)
        elif trainer.world_size > 1:  # a process with a single photo would not stop with the others
            set_received_sigterm(trainer, False)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        if trainer.state.fn != TrainerFn.VALIDATING:
            self._agree(trainer)

    def _agree(self, trainer: pl.Trainer) -> None:
        stops = self.received is not None and not is_accumulating(trainer)
        if trainer.world_size > 1 and not is_accumulating(trainer):
            stops = trainer.strategy.reduce_boolean_decision(stops, all=False)
        set_received_sigterm(trainer, stops)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        self.has_ended = has_counted_epoch(trainer)  # not if it ended before its first batch
        # Save even if the last step was saved already: that may have been before the validation
        # recomputed the batch-norm statistics, or to a different file.
        if not trainer.fast_dev_run:  # type: ignore[attr-defined]
            trainer.save_checkpoint(self.path)
        for number, handler in self._before.items():
            _handle(number, handler)

    def on_save_checkpoint(  # noqa: D102
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if self.has_ended:
            checkpoint[_ENDED] = True

    def on_load_checkpoint(  # noqa: D102
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if checkpoint.get(_ENDED) and trainer.state.fn == TrainerFn.FITTING:
            continue_epoch(trainer, checkpoint)

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        exit_on_signal(trainer)

    def on_exception(  # noqa: D102
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        # Not during the final test: it uses the best weights, which are not those to resume from.
        if isinstance(exception, SIGTERMException) and trainer.state.fn == TrainerFn.FITTING:
            trainer.save_checkpoint(self.path)
            if self.received == signal.SIGINT:
                exception.code = INTERRUPTED


@contextmanager
def requeue_after_saving(trainer: pl.Trainer) -> Iterator[None]:
    """Let submitit requeue its job when its signal has ended the training within the context.

    Raises:
        GFMError: submitit does not requeue the job.
    """
    try:
        yield
    except SIGTERMException:
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, SaveAtEnd) and callback.received in requeue_signals():
                _requeue(callback.received)
        raise


def _requeue(number: int) -> None:
    """Call submitit's handler, which ends the first process of a job and returns in the others."""
    try:
        signal.raise_signal(number)
    except Exception as error:
        raise GFMError(
            f"{error} Progress is saved: repeat the command of the sweep with "
            "hydra.sweep.dir=<its folder>, perhaps with a higher hydra.launcher.max_num_timeout"
        ) from error


def exit_on_signal(trainer: pl.Trainer) -> None:
    """Make signals end all processes immediately, in a phase with nothing to save."""

    def interrupt(*_: Any) -> None:
        raise SIGTERMException(INTERRUPTED)

    def leave(*_: Any) -> None:
        forward_signal(trainer, signal.SIGTERM)
        raise SIGTERMException

    _handle(signal.SIGINT, interrupt)
    _handle(signal.SIGTERM, leave)


def _handle(number: int, handler: Any) -> Any:
    """Set the handler of a signal; Python allows this only in the main thread."""
    if threading.current_thread() is threading.main_thread():
        return signal.signal(number, handler)
    return None
