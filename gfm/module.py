"""The LightningModule: what happens in a training and a validation step."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from gfm.errors import GFMError
from gfm.inference import Strategy
from gfm.losses import Criterion
from gfm.metrics import MattingMetrics
from gfm.models.gfm import GFM
from gfm.optimization import Groups, parameter_groups, scale_rates

Batch = dict[str, Any]

_COLOURS = ("image", "alpha", "foreground", "background")


def as_floats(batch: Batch) -> Batch:
    """Colours and alpha of a uint8 batch in [0, 1]; label maps and names stay as they are."""
    return {k: v.float() / 255 if k in _COLOURS else v for k, v in batch.items()}


def make_up_validation(checkpoint: dict[str, Any], validate_every: int | None) -> None:
    """Has Lightning run a validation that the end of a run cut off, or kept from starting.

    Lightning itself takes up a validation where it was, without the photos before; or, where the
    checkpoint is of an epoch's last step, counts it as done.

    Args:
        checkpoint: of Lightning, changed in place.
        validate_every: so many epochs.
    """
    progress = checkpoint["loops"]["fit_loop"]
    training = progress["epoch_loop.batch_progress"]
    validation = progress["epoch_loop.val_loop.batch_progress"]
    done = training["current"]
    cut_off = validation["total"]["ready"] > 0 and not validation["is_last_batch"]
    is_due = validate_every is None or (checkpoint["epoch"] + 1) % validate_every == 0
    not_begun = is_due and training["is_last_batch"] and done["completed"] < done["processed"]
    if not (cut_off or not_begun):
        return
    for part in ("current", "total"):
        training[part]["completed"] = training[part]["processed"]
        validation[part].update(ready=0, started=0, processed=0, completed=0)
    # What Lightning takes for the middle of a validation, in its first batch.
    validation["total"].update(ready=1, started=1)


class MattingModule(pl.LightningModule):
    """Trains a matting network.

    Logs ``train/loss`` and ``train/loss_<term>`` at every step, ``val/<metric>`` at every
    validation, ``test/<metric>`` when tested.

    Args:
        model: the network.
        criterion: names and adds its loss terms.
        optimizer: from parameters to an optimiser.
        scheduler: from the optimiser and the number of steps to a schedule, if any.
        strategy: mattes validation photos.
        metrics: scores them.
        layer_decay: factor on the learning rate of the encoder's deepest stage, and of each stage
            from the one after it; see :func:`gfm.optimization.parameter_groups`.
        config: the run's plain configuration, which checkpoints carry so that they can be rebuilt.
    """

    def __init__(
        self,
        model: GFM,
        criterion: Criterion,
        optimizer: Callable[[Groups], Optimizer],
        scheduler: Callable[..., LRScheduler] | None,
        strategy: Strategy,
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
        self.strategy = strategy
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
        prediction = self.strategy(self.model, batch["image"])
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
