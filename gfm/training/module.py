"""The LightningModule: what happens in a training and a validation step."""

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from gfm.compat.lightning import logs_now, make_up_validation, unscale_gradients
from gfm.data.batch import Batch, as_floats
from gfm.errors import GFMError
from gfm.inference import Inferer
from gfm.losses import Criterion
from gfm.metrics import MattingMetrics
from gfm.models.gfm import GFM
from gfm.training.loss_watch import LossWatch
from gfm.training.optimization import Groups, clip_gradients, parameter_groups, scale_rates


class MattingModule(pl.LightningModule):
    """Trains a matting network.

    Logs ``train/loss``, ``train/loss_<term>`` and ``train/gradient_norm`` every
    ``log_every_n_steps``, between which no step waits for a GPU; ``val/<metric>`` at every
    validation; ``test/<metric>`` when tested.

    Args:
        model: the network.
        criterion: names and adds its loss terms.
        optimizer: from parameters to an optimiser.
        scheduler: from the optimiser and the number of steps to a schedule, if any.
        inferer: mattes validation photos.
        metrics: scores them.
        layer_decay: factor on the learning rate of the encoder's deepest stage, and of each stage
            from the one after it; see :func:`gfm.training.optimization.parameter_groups`.
        config: the run's plain configuration, which checkpoints carry so that they can be rebuilt.
    """

    def __init__(
        self,
        model: GFM,
        criterion: Criterion,
        optimizer: Callable[[Groups], Optimizer],
        scheduler: Callable[..., LRScheduler] | None,
        inferer: Inferer,
        metrics: MattingMetrics,
        config: dict[str, Any],
        layer_decay: float = 1.0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(config)
        self.model = model
        self.criterion = criterion
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.inferer = inferer
        self.metrics = metrics
        self.layer_decay = layer_decay
        self.losses = LossWatch()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """One batch of samples to its loss."""
        batch = as_floats(batch)
        terms = self.criterion(self.model(batch["image"]), batch)
        self.losses.note(self.global_step, terms, batch["name"])
        if logs_now(self.trainer):
            values = self._fetch_losses()
            self.log("train/loss", values.pop("total"))
            self.log_dict({f"train/loss_{name}": value for name, value in values.items()})
        return terms["total"]

    def _fetch_losses(self) -> dict[str, float]:
        """The means over processes, of the last step: what one with all samples would have."""
        strategy = self.trainer.strategy
        return self.losses.fetch(lambda own: strategy.reduce(own, reduce_op="mean"))

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clips gradients where asked for, and logs ``train/gradient_norm``, their length before.

        Lightning refuses to clip what a fused optimiser steps on under mixed precision.
        """
        if not gradient_clip_val and not logs_now(self.trainer):
            return
        unscale_gradients(self.trainer, optimizer)
        parameters = [p for p in self.parameters() if p.grad is not None]
        norm = clip_gradients(parameters, gradient_clip_val, gradient_clip_algorithm == "value")
        if logs_now(self.trainer):
            self.log("train/gradient_norm", norm)

    def on_validation_start(self) -> None:
        """Nothing is scored after a loss that was not finite; likewise below."""
        self._fetch_losses()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Nothing is kept."""
        self._fetch_losses()

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """One photo to its ``prediction`` and its ``metrics``, for callbacks to show."""
        trimap = batch["trimap"]
        batch = as_floats(batch)
        prediction = self.inferer(self.model, batch["image"])
        metrics = self.metrics(prediction.alpha, batch["alpha"], trimap)
        return {"prediction": prediction, "metrics": metrics}

    def on_validation_epoch_end(self) -> None:
        """Logs the metrics of all photos, of all processes."""
        self._log_means("val")

    def on_train_epoch_end(self) -> None:
        """Logs ``best``, the lowest value so far of what best.ckpt is chosen by."""
        self._fetch_losses()
        kept = self.trainer.checkpoint_callback
        if isinstance(kept, ModelCheckpoint) and kept.best_model_score is not None:
            self.log("best", kept.best_model_score.float())

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """As in validation."""
        return self.validation_step(batch, batch_idx)

    def on_test_epoch_end(self) -> None:
        """As after validation, as ``test/<metric>``."""
        self._log_means("test")

    def _log_means(self, stage: str) -> None:
        means = self.metrics.compute()
        self.metrics.reset()
        # Processes agree on them already; Lightning asks for synchronisation nonetheless.
        values = {f"{stage}/{name}": value.float() for name, value in means.items()}
        self.log_dict(values, sync_dist=True)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Before a run goes on."""
        make_up_validation(checkpoint, self.trainer.check_val_every_n_epoch)

    def configure_optimizers(self) -> Any:
        """Optimiser, and a schedule that moves at every step."""
        optimizer = self.optimizer(parameter_groups(self.model, self.layer_decay))
        scale_rates(optimizer)
        if self.scheduler is None:
            return optimizer
        total_steps = int(self.trainer.estimated_stepping_batches)
        schedule = self.scheduler(optimizer, total_steps=total_steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
