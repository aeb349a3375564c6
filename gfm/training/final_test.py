"""Tests the best or the last weights on all validation photos when training ends."""

from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytorch_lightning as pl

from gfm.checkpoints import load_weights, read_weights
from gfm.data.datamodule import MattingDataModule
from gfm.inference import format_inferer
from gfm.system.run_folder import LAST_CHECKPOINT
from gfm.training.callbacks.flat_mattes import FlatMattes
from gfm.training.callbacks.photo_table import PhotoTable
from gfm.training.module import MattingModule
from gfm.training.preemption import SaveAtEnd

Weights = Literal["best", "last"]


BEFORE = "before.csv"
"""File in a run's folder with the metrics of each photo before training."""

AFTER = "per_image.csv"
"""File in a run's folder with the metrics of each photo in the final test."""


class FinalTest(NamedTuple):
    """The result of a test.

    Attributes:
        metrics: Means over the photos, as ``test/<metric>``.
        title: Which weights were tested, on how many photos, and with which inference.
        choice: How the weights were chosen, and on which photos.
        weights: File that holds the weights; ``None`` if there is none.
    """

    metrics: dict[str, float]
    title: str
    choice: str
    weights: Path | None


def best_weights(trainer: pl.Trainer) -> Path | None:
    """Return the checkpoint that the objective selected, if any."""
    path = Path(getattr(_best_checkpoint_callback(trainer), "best_model_path", ""))
    return path if path.is_file() else None


def _best_checkpoint_callback(trainer: pl.Trainer) -> Any:
    """Return the callback that keeps the best weights; ``None`` if there is none."""
    return next((c for c in trainer.checkpoint_callbacks if getattr(c, "monitor", None)), None)


def validate_first(
    trainer: pl.Trainer, module: MattingModule, datamodule: MattingDataModule, run: Path
) -> None:
    """Validate a run's initial weights, and write the metrics of each photo to ``before.csv``."""
    table = PhotoTable(run / BEFORE)
    trainer.callbacks.append(table)  # type: ignore[attr-defined]
    trainer.validate(module, datamodule, verbose=False)
    trainer.callbacks.remove(table)  # type: ignore[attr-defined]


def run_final_test(
    trainer: pl.Trainer,
    module: MattingModule,
    datamodule: MattingDataModule,
    run: Path,
    which: Weights | None,
) -> FinalTest | None:
    """Test the best or the last weights, unless training was interrupted.

    Unless ``trainer.limit_test_batches`` is set, all validation photos are tested, which may be
    more than during training. The metrics of each photo are written to ``per_image.csv`` in the
    folder of the run, as in an evaluation. If the objective selected no weights, ``best`` tests
    the last ones.

    Returns:
        The result; ``None`` if nothing was tested, as in a ``fast_dev_run``.
    """
    if not which or trainer.fast_dev_run or trainer.interrupted:  # type: ignore[attr-defined]
        return None
    best = best_weights(trainer) if which == "best" else None
    last = run / LAST_CHECKPOINT
    # Processes started by torchrun or srun may know only another folder than rank zero.
    path = trainer.strategy.broadcast(best or (last if last.is_file() else None))
    if path is not None:  # even if it is of the last step: with EMA, it holds the averaged weights
        load_weights(module.model, read_weights(path), str(path))
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    callbacks.append(PhotoTable(run / AFTER))
    for callback in callbacks:
        if isinstance(callback, FlatMattes):
            callback.folder = run
    trainer.test(module, datamodule, verbose=False)
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    is_current = path is None or any(isinstance(c, SaveAtEnd) for c in callbacks)
    kind = "best" if best else "last" if is_current else "last saved"
    title = f"{kind} weights, {_tested_photos(trainer, datamodule)}"
    title += f", {format_inferer(module.inferer)}"
    choice = "these weights were not selected on any photos"
    if best:
        choice = f"{best.name} has the {_describe_choice(trainer, datamodule)}"
    return FinalTest(metrics, title, choice, path)


def _tested_photos(trainer: pl.Trainer, datamodule: MattingDataModule) -> str:
    num_photos, limit = len(datamodule.photos), trainer.limit_test_batches
    is_whole = limit == 1.0 if isinstance(limit, float) else limit >= num_photos
    return f"all {num_photos} validation photos" if is_whole else f"some of {num_photos} photos"


def _describe_choice(trainer: pl.Trainer, datamodule: MattingDataModule) -> str:
    num_seen, num_all = len(datamodule.validation), len(datamodule.photos)
    if datamodule.held_out and datamodule.held_out != datamodule.photos:
        photos = f"{len(datamodule.held_out)} held-out training photos"
    else:
        photos = "the same photos" if num_seen == num_all else f"{num_seen} of these photos"
    monitor = _best_checkpoint_callback(trainer)
    extreme = "lowest" if monitor.mode == "min" else "highest"
    where = f" on {photos}" if monitor.monitor.startswith("val/") else ""
    return f"{extreme} {monitor.monitor}{where}"
