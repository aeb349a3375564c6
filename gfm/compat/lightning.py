"""Wrappers around Lightning's private APIs.

``tests/compat/test_lightning.py`` fails if a release changes one of them.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.strategies.launchers import _SubprocessScriptLauncher
from pytorch_lightning.utilities.exceptions import SIGTERMException as SIGTERMException
from torch import Tensor
from torch.optim import Optimizer


class BestCheckpoint(ModelCheckpoint):
    """``ModelCheckpoint`` whose best file always has the plain name.

    With ``save_top_k=3`` and ``filename=best``, the files are ``best.ckpt``, which is the best, and
    two named after their steps, such as ``best_step_120.ckpt``. Set ``enable_version_counter`` to
    ``False``, or Lightning numbers the files first.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.best_step = 0

    def _get_metric_interpolated_filepath_name(
        self, monitor_candidates: dict[str, Tensor], trainer: pl.Trainer, *args: Any
    ) -> str:
        path: str = super()._get_metric_interpolated_filepath_name(
            monitor_candidates, trainer, *args
        )
        step, before = trainer.global_step, self.best_step
        current = monitor_candidates[self.monitor] if self.monitor else None
        leads = current is None or self._leads(current)
        if leads:
            self.best_step = step
        if self.save_top_k in (0, 1) or path not in self.best_k_models:
            return path
        if not leads:
            return _of_step(path, step)
        self._rename(path, _of_step(path, before), trainer)
        return path

    def _leads(self, current: Tensor) -> bool:
        if not self.best_k_models or self.best_model_score is None:
            return True
        score = float(self.best_model_score)
        return float(current) < score if self.mode == "min" else float(current) > score

    def _rename(self, path: str, name: str, trainer: pl.Trainer) -> None:
        """Rename the previous best file."""
        if trainer.is_global_zero and os.path.isfile(path):
            Path(name).unlink(missing_ok=True)  # left over if a run was killed here
            try:  # a link keeps best.ckpt until the new one replaces it
                os.link(path, name)
            except OSError:  # a file system without hard links
                shutil.copyfile(path, name)
        self.best_k_models[name] = self.best_k_models.pop(path)
        if self.kth_best_model_path == path:
            self.kth_best_model_path = name

    def state_dict(self) -> dict[str, Any]:  # noqa: D102
        return {**super().state_dict(), "best_step": self.best_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:  # noqa: D102
        super().load_state_dict(state_dict)
        self.best_step = state_dict.get("best_step", 0)


def _of_step(path: str, step: int) -> str:
    file = Path(path)
    return str(file.with_name(f"{file.stem}_step_{step}{file.suffix}"))


def set_received_sigterm(trainer: pl.Trainer, received: bool) -> None:
    """Set whether the trainer raises SIGTERMException at its next check."""
    trainer._signal_connector.received_sigterm = received


def forward_signal(trainer: pl.Trainer, number: int) -> None:
    """Send a signal to the processes that this one started, if any."""
    if trainer.strategy.launcher is not None:
        trainer.strategy.launcher.kill(number)


def num_batches_fetched(trainer: pl.Trainer) -> int:
    """Return the number of batches fetched in this epoch, also before an interruption."""
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


def should_update_logs(trainer: pl.Trainer) -> bool:
    """Return whether Lightning sends this training step's values to the loggers."""
    return bool(trainer._logger_connector.should_update_logs or trainer.fast_dev_run)  # type: ignore[attr-defined]


def unscale_gradients(trainer: pl.Trainer, optimizer: Optimizer) -> None:
    """Divide gradients by the loss scale of float16 if Lightning has not done so.

    Lightning leaves this to fused optimisers' ``step``, and therefore refuses to clip gradients.
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
    """Return the entries required to resume a run that a checkpoint lacks."""
    return [name for name, kind in _ENTRIES.items() if not isinstance(checkpoint.get(name), kind)]


def restart_unfinished_validation(checkpoint: dict[str, Any], validate_every: int | None) -> None:
    """Make Lightning repeat a validation that was interrupted or due when a run ended.

    Lightning itself would resume an interrupted validation without the earlier photos, and skip one
    that was due when the last step of an epoch was saved.

    Args:
        checkpoint: Lightning's checkpoint, changed in place.
        validate_every: Number of epochs between validations.
    """
    progress = checkpoint["loops"]["fit_loop"]
    training = progress["epoch_loop.batch_progress"]
    validation = progress["epoch_loop.val_loop.batch_progress"]
    done = training["current"]
    cut_off = validation["total"]["ready"] > 0 and not validation["is_last_batch"]
    is_due = validate_every is None or (checkpoint["epoch"] + 1) % validate_every == 0
    not_begun = is_due and training["is_last_batch"] and done["completed"] < done["processed"]
    if not (cut_off or not_begun):
        return
    for part in ("current", "total"):
        training[part]["completed"] = training[part]["processed"]
        validation[part].update(ready=0, started=0, processed=0, completed=0)
    # To Lightning, this is a validation interrupted in its first batch.
    validation["total"].update(ready=1, started=1)
