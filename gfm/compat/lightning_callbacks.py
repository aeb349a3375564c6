"""Lightning's callbacks, changed through private APIs.

``tests/compat/test_lightning_callbacks.py`` fails if a release changes one of these APIs.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import (
    EMAWeightAveraging,
    ModelCheckpoint,
    RichProgressBar,
    Timer,
    WeightAveraging,
)
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from gfm.compat.lightning import is_accumulating, should_update_logs
from gfm.system.files import atomic_path
from gfm.system.ranks import is_global_zero


class LastCheckpoint(ModelCheckpoint):
    """``ModelCheckpoint`` that checks its time interval only at steps that log.

    With ``train_time_interval``, Lightning broadcasts after every batch whether to save, which
    makes all processes wait for their GPUs. At steps that log, they wait anyway. Nothing is saved
    while gradients accumulate, because a resumed run would lack them.
    """

    def on_train_batch_end(self, trainer: pl.Trainer, *arguments: Any) -> None:  # noqa: D102
        may_wait = self._train_time_interval is None or should_update_logs(trainer)
        if may_wait and not is_accumulating(trainer):
            super().on_train_batch_end(trainer, *arguments)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        if not is_accumulating(trainer):
            super().on_validation_end(trainer, pl_module)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:  # noqa: D102
        # Lightning would warn that it loads only some of the state if the run's folder has moved.
        super().load_state_dict({**state_dict, "dirpath": self.dirpath})


class TimeLimit(Timer):
    """``Timer`` that checks its limit only at steps that log if there are several processes.

    Lightning broadcasts after every batch whether to end, which makes all processes wait for their
    GPUs. No run ends while gradients accumulate, because a resumed run would lack them.
    """

    def on_train_batch_end(self, trainer: pl.Trainer, *arguments: Any) -> None:  # noqa: D102
        may_wait = trainer.world_size == 1 or should_update_logs(trainer)
        if may_wait and not is_accumulating(trainer):
            super().on_train_batch_end(trainer, *arguments)


class BestCheckpoint(ModelCheckpoint):
    """``ModelCheckpoint`` whose best file always has the plain name.

    With ``save_top_k=3`` and ``filename=best``, the files are ``best.ckpt``, which is the best, and
    two named after their steps, such as ``best_step_120.ckpt``. Set ``enable_version_counter`` to
    ``False``, or Lightning numbers the files first.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.best_step = 0

    def _save_checkpoint(self, trainer: pl.Trainer, filepath: str) -> None:
        # Lightning validates the average, but then saves the current weights. Only checkpoints to
        # resume from hold both.
        callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
        with ExitStack() as stack:
            for average in callbacks if self.save_weights_only else ():
                if isinstance(average, WeightAveraging):
                    stack.enter_context(_averaged(average, trainer.lightning_module))
            super()._save_checkpoint(trainer, filepath)

    def _get_metric_interpolated_filepath_name(
        self, monitor_candidates: dict[str, Tensor], trainer: pl.Trainer, *args: Any
    ) -> str:
        path: str = super()._get_metric_interpolated_filepath_name(
            monitor_candidates, trainer, *args
        )
        step, before = trainer.global_step, self.best_step
        current = monitor_candidates[self.monitor] if self.monitor else None
        leads = current is None or self._is_best(current)
        if leads:
            self.best_step = step
        if self.save_top_k in (0, 1) or path not in self.best_k_models:
            return path
        if not leads:
            return _of_step(path, step)
        self._rename(path, _of_step(path, before), trainer)
        return path

    def _is_best(self, current: Tensor) -> bool:
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
        super().load_state_dict(self._with_current_paths(state_dict))
        self.best_step = state_dict.get("best_step", 0)

    def _with_current_paths(self, state: dict[str, Any]) -> dict[str, Any]:
        """Return the state with current paths if the run continues in a different folder.

        If the old folder still exists, the best files are copied from it. Lightning itself would
        forget the best score, and replace the best file with the next one.
        """
        folder, best = self.dirpath, state.get("best_model_path", "")

        def here(path: str) -> str:
            return os.path.join(str(folder), os.path.basename(path)) if path else path

        if not folder or not (os.path.isfile(here(best)) or os.path.isfile(best)):
            return state
        models = state.get("best_k_models", {})
        for path in {best, *models}:
            _copy_missing(Path(path), Path(here(path)))
        return {
            **state,
            "dirpath": folder,
            "best_model_path": here(best),
            "kth_best_model_path": here(state.get("kth_best_model_path", "")),
            "best_k_models": {here(path): score for path, score in models.items()},
        }


def _copy_missing(source: Path, target: Path) -> None:
    """Copy a checkpoint unless the target exists; only global rank zero copies."""
    # A checkpoint from somebody else may name any path.
    is_checkpoint = source.suffix == ".ckpt" and source.is_file()
    if is_global_zero() and is_checkpoint and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(target) as aside:
            shutil.copyfile(source, aside)


@contextmanager
def _averaged(average: WeightAveraging, module: pl.LightningModule) -> Iterator[None]:
    """Give the module the averaged weights within the context."""
    average._swap_models(module)
    try:
        yield
    finally:
        average._swap_models(module)


def _of_step(path: str, step: int) -> str:
    file = Path(path)
    return str(file.with_name(f"{file.stem}_step_{step}{file.suffix}"))


class StepProgressBar(RichProgressBar):
    """``RichProgressBar`` that counts epochs from 1, or steps if these limit the run."""

    def _get_train_description(self, current_epoch: int) -> str:
        text: str = super()._get_train_description(current_epoch)
        if self.trainer.max_epochs != -1:
            return f"Epoch {current_epoch + 1}/{self.trainer.max_epochs}".ljust(len(text))
        last = f"/{self.trainer.max_steps}" if self.trainer.max_steps != -1 else ""
        return f"Step {self.trainer.global_step}{last}".ljust(len(text))


class EMA(EMAWeightAveraging):
    """``EMAWeightAveraging`` with fewer operations and no GPU synchronisation.

    Lightning's class needs several operations for each tensor, and reads a counter from the GPU.
    Integers, such as a batch norm's number of batches, are copied instead of averaged. With
    ``update_starting_at_step``, the weights themselves are validated and saved until that step, not
    those of the start of the run.
    """

    def __init__(self, decay: float = 0.999, **options: Any) -> None:
        super().__init__(decay=decay, **options)
        self._kwargs = {}  # Lightning's function, unused here, cannot be sent to spawned processes
        self.decay = decay
        self._is_swapped = False  # whether the module holds the averaged weights

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:  # noqa: D102
        if stage == "fit":
            # Lightning moves the module later: its device is still the CPU.
            device = self._device or trainer.strategy.root_device
            self._average_model = _Average(pl_module, device, self.decay, self._use_buffers)
            self._is_swapped = False

    def _swap_models(self, pl_module: pl.LightningModule) -> None:
        self._follow(pl_module)
        super()._swap_models(pl_module)
        self._is_swapped = not self._is_swapped

    def _follow(self, pl_module: pl.LightningModule) -> None:
        """Copy the current weights to the average if its first update is still to come."""
        average = self._average_model
        if isinstance(average, _Average) and not average.n_averaged:
            average.blend(pl_module, 1.0)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        self._follow(pl_module)
        super().on_train_end(trainer, pl_module)

    def on_save_checkpoint(  # noqa: D102
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if self._is_swapped:  # a signal interrupted a validation; tensors are swapped in place
            self._swap_models(pl_module)
        self._follow(pl_module)
        super().on_save_checkpoint(trainer, pl_module, checkpoint)


class _Average(AveragedModel):
    def __init__(self, model: nn.Module, device: Any, decay: float, use_buffers: bool) -> None:
        super().__init__(model, device, use_buffers=use_buffers)
        self.decay = decay
        self.n_averaged = torch.zeros_like(self.n_averaged, device="cpu")  # each step reads it

    def update_parameters(self, model: nn.Module) -> None:
        self.blend(model, 1 - self.decay if self.n_averaged else 1.0)
        self.n_averaged += 1

    @torch.no_grad()
    def blend(self, model: nn.Module, share: float) -> None:
        """Add a share of the weights of a model to the average; a share of 1 copies exactly."""
        averaged: list[tuple[Tensor, Tensor]] = []
        averaged += zip(self.module.parameters(), model.parameters(), strict=True)
        copied: list[tuple[Tensor, Tensor]] = []
        for pair in zip(self.module.buffers(), model.buffers(), strict=True):
            is_averaged = self.use_buffers and pair[0].is_floating_point()
            (averaged if is_averaged else copied).append(pair)
        averages = [average for average, _ in averaged]
        values = [value.to(average.device) for average, value in averaged]
        torch._foreach_lerp_(averages, values, share)
        if copied:
            torch._foreach_copy_([old for old, _ in copied], [new for _, new in copied])
