"""The LightningModule: what happens in a training and a validation step."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from gfm.compat.lightning import make_up_validation
from gfm.data.batch import Batch, as_floats
from gfm.errors import GFMError
from gfm.inference import Inferer
from gfm.losses import Criterion
from gfm.metrics import MattingMetrics
from gfm.models.gfm import GFM
from gfm.training.optimization import Groups, parameter_groups, scale_rates


class MattingModule(pl.LightningModule):
    """Trains a matting network.

    Logs ``train/loss`` and ``train/loss_<term>`` at every step, ``val/<metric>`` at every
    validation, ``test/<metric>`` when tested.

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

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """One batch of samples to its loss."""
        batch = as_floats(batch)
        terms = self.criterion(self.model(batch["image"]), batch)
        loss = terms.pop("total")
        mean = self.trainer.strategy.reduce(loss.detach().clone(), reduce_op="mean")
        if not mean.isfinite():  # in any process: all stop, so that none waits for another
            raise GFMError(self._not_finite(loss, terms, batch["name"]))
        self.log("train/loss", mean)
        # Processes log what one with all samples would.
        values = {f"train/loss_{name}": term.detach() for name, term in terms.items()}
        self.log_dict(values, batch_size=len(batch["name"]), sync_dist=True)
        return loss

    def _not_finite(self, loss: Tensor, terms: Mapping[str, Tensor], names: Sequence[str]) -> str:
        if loss.isfinite():
            return f"the loss of another process is not finite at step {self.global_step}"
        values = ", ".join(f"{k} {v.item():g}" for k, v in terms.items())
        return (
            f"the loss is not finite at step {self.global_step} ({values}; samples "
            f"{', '.join(names)}): lower optimizer.lr, or set trainer.gradient_clip_val"
        )

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
