"""What a training is worth: its best weights on all photos, when it ends."""

from pathlib import Path

import pytorch_lightning as pl

from gfm.checkpoints import load_weights, read_checkpoint
from gfm.data.datamodule import MattingDataModule
from gfm.inference import Strategy
from gfm.module import MattingModule


def test_best(
    trainer: pl.Trainer, module: MattingModule, datamodule: MattingDataModule, strategy: Strategy
) -> dict[str, float]:
    """``test/<metric>`` over all validation photos, by the full protocol.

    Validation during training may be of fewer photos, at one scale. Nothing is tested where
    training was stopped, by hand or by ``fast_dev_run``. Validation scores mattes as they are,
    ``evaluate.py`` as their 8-bit files hold them.

    Args:
        trainer: after training.
        module: gets the best weights, where they were kept, and the strategy.
        datamodule: with the photos.
        strategy: mattes them.
    """
    if trainer.fast_dev_run or trainer.interrupted:  # type: ignore[attr-defined]
        return {}
    kept = Path(getattr(trainer.checkpoint_callback, "best_model_path", ""))
    if kept.is_file():
        load_weights(module.model, read_checkpoint(kept), str(kept))
    module.strategy = strategy
    trainer.test(module, datamodule, verbose=False)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}
