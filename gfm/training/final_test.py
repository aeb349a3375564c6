"""The test of the best checkpoint on all validation photos, when training ends."""

from pathlib import Path

import pytorch_lightning as pl

from gfm.checkpoints import load_weights, read_weights
from gfm.data.datamodule import MattingDataModule
from gfm.training.module import MattingModule


def test_best(
    trainer: pl.Trainer, module: MattingModule, datamodule: MattingDataModule
) -> dict[str, float]:
    """``test/<metric>`` over all validation photos, which are more than those seen in training.

    Nothing is tested where
    training was stopped, by hand or by ``fast_dev_run``. Validation scores mattes as they are,
    ``evaluate.py`` as their 8-bit files hold them.

    Args:
        trainer: after training.
        module: gets the best weights, where they were kept.
        datamodule: with the photos.
    """
    if trainer.fast_dev_run or trainer.interrupted:  # type: ignore[attr-defined]
        return {}
    kept = Path(getattr(trainer.checkpoint_callback, "best_model_path", ""))
    if kept.is_file():
        load_weights(module.model, read_weights(kept), str(kept))
    trainer.test(module, datamodule, verbose=False)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}
