"""Warns of empty or constant mattes, whose SAD is low if foregrounds are small."""

from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor

from gfm.system.console import console
from gfm.system.ranks import all_gather_dict
from gfm.system.run_folder import write_flat_mattes

_LITTLE = 0.1


def is_flat(alpha: Tensor | np.ndarray, truth: Tensor | np.ndarray) -> bool:
    """Return whether a matte is nearly empty or constant although the true one is not.

    Its mean is less than a tenth of the true mean, or its standard deviation less than a tenth of
    the true one. Both mattes have the same shape, with values in [0, 1].
    """
    is_empty = bool(alpha.mean() < _LITTLE * truth.mean())
    return is_empty or bool(alpha.std() < _LITTLE * truth.std())


def warn_of_flat(number: int, total: int, picture: str) -> None:
    """Print how many mattes of a test are flat, and the file that shows them; nothing for none."""
    if number:
        text = f"{number} of {total} mattes are nearly empty or constant"
        fix = f"do not judge them by SAD alone, but look at {picture}"
        console().print(f"{text}: {fix}", style="yellow")


class FlatMattes(Callback):
    """Warns of nearly empty or constant mattes: before training, and in the final test.

    Attributes:
        folder: Folder for the list of those in a test; ``None`` writes no list.
    """

    def __init__(self) -> None:
        self.are_flat: dict[str, bool] = {}
        self.folder: Path | None = None

    def on_test_batch_end(  # noqa: D102
        self, trainer: pl.Trainer, _: Any, outputs: Any, batch: Any, *__: Any
    ) -> None:
        if trainer.state.fn in (TrainerFn.VALIDATING, TrainerFn.TESTING):
            alpha = outputs["prediction"].alpha[0].float()
            truth = batch["alpha"][0].to(alpha.device).float() / 255
            self.are_flat[batch["name"][0]] = is_flat(alpha, truth)

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: D102
        if trainer.state.fn not in (TrainerFn.VALIDATING, TrainerFn.TESTING):
            return
        found = all_gather_dict(self.are_flat)
        self.are_flat = {}
        if not trainer.is_global_zero:
            return
        number, is_test = sum(found.values()), trainer.state.fn == TrainerFn.TESTING
        if is_test and self.folder is not None:
            write_flat_mattes(self.folder, [name for name, is_bad in found.items() if is_bad])
        if is_test:
            warn_of_flat(number, len(found), "result.png")
        elif number:
            text = f"before training, {number} of {len(found)} mattes are nearly empty or constant"
            fix = "other weights may suit your photos better"
            console().print(f"{text}: {fix}", style="yellow")

    on_validation_batch_end = on_test_batch_end  # type: ignore[assignment]
    on_validation_end = on_test_end
