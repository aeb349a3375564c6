"""Recomputes batch-norm statistics before each validation."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.trainer.states import TrainerFn
from torch import nn
from torch.utils.data import DataLoader

from gfm.compat.torch import uncompiled
from gfm.data.batch import as_floats, split_batch
from gfm.data.dataset import Sample
from gfm.data.even_spacing import spread_indices
from gfm.models.batchnorm import BatchNorm, find_batchnorms
from gfm.system.ranks import rank_and_world
from gfm.training.callbacks.freezing import Freezing


class NormStatistics(Callback):
    """Recomputes the means and variances of batch normalisation before each validation.

    Training normalises each batch by its own mean and variance, validation by running averages of
    these, which lag behind fast-changing weights and are noisy for small batches. This callback
    averages them over many training samples with the current weights: "precise BN" (Wu and Johnson,
    Rethinking "Batch" in BatchNorm, 2021, section 3). Training itself does not change. Frozen norms
    keep their statistics, as do averaged weights (``callbacks=ema``).

    Deviation: the paper and the official code use running averages, as ``num_samples=0`` does.

    Args:
        num_samples: Number of training samples, spread evenly over the training set, at least two
            per process; 0 keeps the running averages.
    """

    # torch.optim.swa_utils.update_bn also resets frozen norms, puts the whole network into training
    # mode, and supports neither autocast nor several processes.

    def __init__(self, num_samples: int = 100) -> None:
        self.num_samples = num_samples

    def on_validation_start(  # noqa: D102
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> None:
        fits = trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking
        if not self.num_samples or not fits:
            return
        model = cast(nn.Module, pl_module.model)
        # Gradual unfreezing leaves requires_grad set, so ask its callback as well.
        freezing = (c for c in trainer.callbacks if isinstance(c, Freezing))  # type: ignore[attr-defined]
        frozen = {id(parameter) for callback in freezing for parameter in callback.frozen}
        trained = (n for n in find_batchnorms(model) if n.weight.requires_grad)
        norms = [norm for norm in trained if id(norm.weight) not in frozen]
        with (
            _averaging(norms),
            uncompiled(),
            torch.no_grad(),
            trainer.precision_plugin.val_step_context(),
        ):
            for batch in self._batches(trainer):
                image = as_floats({"image": batch["image"].to(pl_module.device)})["image"]
                model(image)
            for norm in norms:  # each process saw its share, unless the norms synchronise
                for statistic in (norm.running_mean, norm.running_var):
                    assert statistic is not None  # timm's and torchvision's norms track them
                    statistic.copy_(trainer.strategy.reduce(statistic.clone(), reduce_op="mean"))

    def _batches(self, trainer: pl.Trainer) -> DataLoader[Sample]:
        """Return the loader of this process, with its share of each batch as in training."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        rank, world = rank_and_world()
        # At least two per process: if the deepest features are 1×1, one sample has no variance.
        num_samples = min(max(self.num_samples, 2 * world), len(data.training))
        chosen = spread_indices(len(data.training), num_samples)
        own = chosen[rank : len(chosen) // world * world : world]
        return DataLoader(
            data.training,
            batch_size=min(split_batch(data.batch_size, world), len(own)),
            sampler=[(trainer.current_epoch, index) for index in own],
            drop_last=True,
        )


@contextmanager
def _averaging(norms: Sequence[BatchNorm]) -> Iterator[None]:
    """Make norms average the statistics of all batches within the context with equal weights."""
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()
