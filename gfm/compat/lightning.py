"""Wrappers around Lightning's private APIs.

``tests/compat/test_lightning.py`` fails if a release changes one of them.
"""

import os
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.strategies.launchers import _SubprocessScriptLauncher
from pytorch_lightning.utilities.exceptions import SIGTERMException as SIGTERMException
from torch.optim import Optimizer


def set_received_sigterm(trainer: pl.Trainer, received: bool) -> None:
    """Set whether the trainer raises SIGTERMException at its next check."""
    trainer._signal_connector.received_sigterm = received


def forward_signal(trainer: pl.Trainer, number: int) -> None:
    """Send a signal to the processes that this one started, if any."""
    if trainer.strategy.launcher is not None:
        trainer.strategy.launcher.kill(number)


def num_batches_fetched(trainer: pl.Trainer) -> int:
    """Return the number of batches fetched in this epoch, including those before a resume."""
    return trainer.fit_loop.epoch_loop.batch_progress.current.ready


def logged_step(trainer: pl.Trainer) -> int:
    """Return the step to which Lightning assigns values logged now, also during validation."""
    return trainer.fit_loop.epoch_loop._batches_that_stepped


def launches_script_per_device(trainer: pl.Trainer) -> bool:
    """Return whether Lightning starts further processes by running this script again."""
    launcher = trainer.strategy.launcher
    return (
        isinstance(launcher, _SubprocessScriptLauncher)
        and not launcher.cluster_environment.creates_processes_externally
        and trainer.num_devices > 1
    )


def lacks_srun(trainer: pl.Trainer) -> bool:
    """Return whether Lightning would wait for processes of a SLURM job that ``srun`` never started.

    Lightning reads the number of tasks that the job requested, not how many are running.
    """
    environment = getattr(trainer.strategy, "cluster_environment", None)
    num_started = int(os.environ.get("SLURM_STEP_NUM_TASKS", 1))  # set by srun
    return isinstance(environment, SLURMEnvironment) and num_started < environment.world_size()


def should_update_logs(trainer: pl.Trainer) -> bool:
    """Return whether this training batch ends a step whose values Lightning sends to loggers."""
    is_due = trainer._logger_connector.should_update_logs or trainer.fast_dev_run  # type: ignore[attr-defined]
    return bool(is_due) and not is_accumulating(trainer)


def is_accumulating(trainer: pl.Trainer) -> bool:
    """Return whether accumulated gradients still await the optimiser's step.

    No checkpoint contains these gradients.
    """
    return trainer.fit_loop._should_accumulate()


def unscale_gradients(trainer: pl.Trainer, optimizer: Optimizer) -> None:
    """Divide gradients by the loss scale of float16 if Lightning has not done so.

    With fused optimisers, Lightning leaves this to their ``step``, and therefore refuses to clip
    gradients.
    """
    scaler = getattr(trainer.precision_plugin, "scaler", None)
    if scaler is not None and getattr(optimizer, "_step_supports_amp_scaling", False):
        scaler.unscale_(optimizer)


def disable_sigterm_broadcast(trainer: pl.Trainer) -> None:
    """Stop Lightning from broadcasting before every batch whether rank zero received SIGTERM.

    Each broadcast makes all ranks wait for their GPUs.
    """
    trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]


def drop_wandb_option(logger: WandbLogger, name: str) -> None:
    """Drop an argument of ``wandb.init`` that Lightning passes but W&B has removed."""
    logger._wandb_init.pop(name, None)


_ENTRIES = {
    "state_dict": dict,
    "hyper_parameters": dict,
    "optimizer_states": list,
    "lr_schedulers": list,
    "loops": dict,
}
"""Checkpoint entries required to resume a run; Lightning documents only some of the names."""


def missing_entries(checkpoint: Mapping[str, Any]) -> list[str]:
    """Return the entries missing from a checkpoint that are required to resume a run."""
    return [name for name, kind in _ENTRIES.items() if not isinstance(checkpoint.get(name), kind)]


def restart_unfinished_validation(trainer: pl.Trainer, checkpoint: dict[str, Any]) -> bool:
    """Make Lightning repeat a validation that was interrupted or due when a run ended.

    Lightning itself would resume an interrupted validation without the earlier photos, and skip one
    that was due after the saved step.

    Args:
        trainer: Trainer that resumes the run.
        checkpoint: Lightning's checkpoint, changed in place.

    Returns:
        Whether the run begins with a validation.
    """
    progress = checkpoint["loops"]["fit_loop"]
    training = progress["epoch_loop.batch_progress"]
    validation = progress["epoch_loop.val_loop.batch_progress"]
    cut_off = validation["total"]["ready"] > 0 and not validation["is_last_batch"]
    is_before_validation = training["current"]["completed"] < training["current"]["processed"]
    if not cut_off and not (is_before_validation and _is_validation_due(trainer, checkpoint)):
        return False
    for part in ("current", "total"):
        training[part]["completed"] = training[part]["processed"]
        validation[part].update(ready=0, started=0, processed=0, completed=0)
    # To Lightning, this is a validation interrupted in its first batch.
    validation["total"].update(ready=1, started=1)
    # If options have changed, it may no longer be due.
    return trainer.enable_validation and _is_validation_due(trainer, checkpoint)


def count_begun_epoch(trainer: pl.Trainer) -> None:
    """Count the epoch that begins if a run has resumed after the last batch of the one before.

    Lightning counts that one as completed, but the next one never as begun. Interrupted and resumed
    once more, the run would repeat all batches of the epoch. Call this when the training starts.
    """
    loop = trainer.fit_loop
    is_counted = loop.epoch_progress.current.ready > trainer.current_epoch
    if loop.restarted_mid_epoch and not is_counted and not loop.done:
        loop.epoch_progress.increment_ready()
        loop.epoch_progress.increment_started()


def set_max_steps(trainer: pl.Trainer, max_steps: int) -> None:
    """Change the number of steps after which the trainer stops."""
    trainer.fit_loop.epoch_loop.max_steps = max_steps


def _is_validation_due(trainer: pl.Trainer, checkpoint: Mapping[str, Any]) -> bool:
    """Return whether a validation follows the last batch of a checkpoint."""
    trainer.fit_loop.setup_data()  # computes the number of batches between validations
    every, training = trainer.check_val_every_n_epoch, "epoch_loop.batch_progress"
    if every is not None and (checkpoint["epoch"] + 1) % every:
        return False
    done = checkpoint["loops"]["fit_loop"][training]["total" if every is None else "current"]
    return bool(trainer.val_check_batch) and done["ready"] % trainer.val_check_batch == 0


def has_counted_epoch(trainer: pl.Trainer) -> bool:
    """Return whether Lightning counts the last epoch that began as completed."""
    epochs = trainer.fit_loop.epoch_progress.current
    return epochs.processed == epochs.ready  # type: ignore[attr-defined]


def continue_epoch(trainer: pl.Trainer, checkpoint: dict[str, Any]) -> None:
    """Let a run that had ended resume at its next batch, unless ``max_steps`` is reached.

    Lightning counts the epoch in which the run ended as completed, and would resume at the same
    batch of the next epoch. If a run limited by steps ended with the last batch of an epoch,
    Lightning would skip the whole next epoch.

    Args:
        trainer: Trainer that resumes the run.
        checkpoint: Lightning's checkpoint at the end of the run, changed in place.
    """
    step, progress = checkpoint["global_step"], checkpoint["loops"]["fit_loop"]
    training, epochs = progress["epoch_loop.batch_progress"], progress["epoch_progress"]
    counts_steps = trainer.max_steps != -1
    if counts_steps and step >= trainer.max_steps:
        return
    if not training["is_last_batch"]:
        checkpoint["epoch"] = done = epochs["current"]["processed"] - 1
        for part in ("current", "total"):
            epochs[part].update(ready=done + 1, started=done + 1, processed=done, completed=done)
    elif counts_steps:  # otherwise Lightning begins the next epoch
        training["is_last_batch"] = False
        training["current"].update(ready=0, started=0, processed=0, completed=0)
    else:
        return
    # Lightning skips a validation that was already done, but counts it as a step.
    skipped = _is_validation_due(trainer, checkpoint)
    progress["epoch_loop.state_dict"]["_batches_that_stepped"] = step - skipped
