"""Enables cuDNN's search for the fastest algorithms in training, but not on whole photos."""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.trainer.states import TrainerFn


class CudnnBenchmark(Callback):
    """Enables the search for training steps, whose inputs all have the same size.

    Each new input size triggers a search, which costs more than it saves on photos of many sizes.
    """

    def on_train_start(self, *_: Any) -> None:  # noqa: D102
        torch.backends.cudnn.benchmark = True

    def on_validation_start(self, *_: Any) -> None:  # noqa: D102
        torch.backends.cudnn.benchmark = False

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        fits = trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking
        torch.backends.cudnn.benchmark = fits

    def teardown(self, *_: Any, **__: Any) -> None:  # noqa: D102
        torch.backends.cudnn.benchmark = False
