"""The test of the best checkpoint on all validation photos, when training ends."""

from pathlib import Path

import pytorch_lightning as pl

from gfm.checkpoints import load_weights, read_weights
from gfm.data.datamodule import MattingDataModule
from gfm.training.callbacks.photo_table import PhotoTable
from gfm.training.module import MattingModule


def best_weights(trainer: pl.Trainer) -> Path | None:
    """The checkpoint chosen by the objective, if one was kept."""
    for kept in trainer.checkpoint_callbacks:
        path = Path(getattr(kept, "best_model_path", ""))
        if getattr(kept, "monitor", None) and path.is_file():
            return path
    return None


def test_best(
    trainer: pl.Trainer,
    module: MattingModule,
    datamodule: MattingDataModule,
    table: Path,
) -> dict[str, float]:
    """``test/<metric>`` over all validation photos, which are more than those seen in training.

    Nothing is tested where
    training was stopped, by hand or by ``fast_dev_run``. Validation scores mattes as they are,
    ``evaluate.py`` as their 8-bit files hold them.

    Args:
        trainer: after training.
        module: gets the best weights, where they were kept; else the last are tested.
        datamodule: with the photos.
        table: gets the metrics of each photo, as an evaluation's ``per_image.csv``.
    """
    if trainer.fast_dev_run or trainer.interrupted:  # type: ignore[attr-defined]
        return {}
    if kept := best_weights(trainer):
        load_weights(module.model, read_weights(kept), str(kept))
    trainer.callbacks.append(PhotoTable(table))  # type: ignore[attr-defined]
    trainer.test(module, datamodule, verbose=False)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}
