"""The LightningModule: training, validation and test steps."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LRScheduler

from gfm.checkpoints import choose_inferer, load_network, load_weights
from gfm.checkpoints.formats import read_training
from gfm.compat.hydra import instantiate
from gfm.compat.lightning import (
    count_begun_epoch,
    restart_unfinished_validation,
    set_max_steps,
    should_update_logs,
    unscale_gradients,
)
from gfm.compat.lightning_batchnorm import synchronize_norms
from gfm.compat.torch import uncompiled
from gfm.data.batch import Batch, as_floats
from gfm.inference import Inferer
from gfm.inference.shrinking import shrinking
from gfm.losses import Criterion
from gfm.metrics import MattingMetrics
from gfm.metrics.inputs import name_photo
from gfm.models.gfm import GFM
from gfm.models.precision import allow_tf32, choose_inference_format
from gfm.training.loss_watch import LossWatch
from gfm.training.objective import Objective
from gfm.training.optimization import (
    Groups,
    WeightDecayOn,
    apply_options,
    clip_gradients,
    group_options,
    make_optimizer,
    make_schedule,
    parameter_groups,
)
from gfm.training.resume_checks import check_parameters


class MattingModule(pl.LightningModule):
    """Trains a matting network.

    Every ``log_every_n_steps`` it logs ``train/loss``, ``train/loss_<term>`` and
    ``train/gradient_norm``. The steps in between do not wait for the GPU, except in synchronised
    batch norms. Every validation logs ``val/<metric>``, ``val/<dataset>/<metric>``
    for added datasets, and ``best``, the best objective so far; a test logs ``test/<metric>``.

    Args:
        model: Network to train.
        criterion: Computes the loss terms.
        optimizer: Makes an optimiser from parameter groups.
        scheduler: Makes a schedule as :func:`make_schedule` expects; ``None`` for a constant rate.
        inferer: Mattes validation photos.
        metrics: Scores the mattes.
        config: Plain configuration of the run, stored in checkpoints to rebuild the run from.
        layer_decay, weight_decay_on: See :func:`gfm.training.optimization.parameter_groups`.
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
        weight_decay_on: WeightDecayOn = "all",
    ) -> None:
        super().__init__()
        self.save_hyperparameters(config)
        self.model = model
        self.criterion = criterion
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.inferer = inferer
        self.metrics = metrics
        self.other_metrics: dict[str, Any] = {}  # of added datasets, by name
        self.layer_decay = layer_decay
        self.losses = LossWatch()
        self.weight_decay_on: WeightDecayOn = weight_decay_on
        self.objective = Objective(config.get("objective"), config.get("objective_mode", "min"))
        self.is_resumed = False
        self.is_validation_left = False  # after the last step of a resumed run

    @classmethod
    def from_config(cls, config: dict[str, Any], **given: Any) -> "MattingModule":
        """Build the module from the configuration in a checkpoint, except for the given parts."""
        parts = {"model": "model", "criterion": "loss", "optimizer": "optimizer"}
        parts |= {"scheduler": "scheduler", "inferer": "inference", "metrics": "metrics"}
        built = {part: instantiate(config[key]) for part, key in parts.items() if part not in given}
        if "inferer" not in given:
            shorter_side = config.get("data", {}).get("shorter_side")
            built["inferer"] = shrinking(built["inferer"], shorter_side)
        built |= {key: config[key] for key in ("layer_decay", "weight_decay_on") if key in config}
        return cls(config=config, **built | given)

    @classmethod
    def from_weights(
        cls, path: Path | str, learning_rate: float = 1e-4, trust: Sequence[str] = ()
    ) -> "MattingModule":
        """Build a module that fine-tunes weights with the losses and Adam of the paper.

        Add ``Freezing(["norms"])`` to the callbacks of the trainer if there are few photos.

        Args:
            path: Any source of :func:`gfm.checkpoints.read_checkpoint`.
            learning_rate: Learning rate of Adam.
            trust: Additional packages whose classes the file may use.

        Raises:
            GFMError: As in :func:`gfm.checkpoints.read_checkpoint`.
        """
        model, checkpoint = load_network(path, trust)
        described = {"model": checkpoint.model, "inference": checkpoint.inferer}
        return cls(
            model.train(),  # it is loaded in evaluation mode, which Lightning would keep
            Criterion(checkpoint.model["rosta"]),
            partial(Adam, lr=learning_rate),
            None,
            choose_inferer(checkpoint),
            MattingMetrics(),
            {**described, "data": checkpoint.scale_options},
        )

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls,
        checkpoint_path: Path | str,
        map_location: Any = None,
        trust: Sequence[str] = (),
        **given: Any,
    ) -> "MattingModule":
        """Load the module of a training run with the weights of a checkpoint.

        Unlike Lightning's method, this downloads nothing, and builds only classes of this project
        and of trusted packages. :func:`gfm.checkpoints.load_network` loads networks alone.

        Args:
            checkpoint_path: A ``best.ckpt`` or ``last.ckpt``.
            map_location: Device to move the module to.
            trust: Additional packages whose classes the file may use.
            given: Parts to use instead of those of the run, such as ``inferer``.

        Raises:
            GFMError: The file is missing or damaged, is not from a training run, or uses an
                untrusted class.
        """
        checkpoint = read_training(Path(checkpoint_path), trust)
        module = cls.from_config({**checkpoint.config, "model": checkpoint.model}, **given)
        load_weights(module.model, checkpoint, checkpoint_path)
        return module.to(map_location) if map_location is not None else module

    def setup(self, stage: str) -> None:
        """Set up precision, norms and compilation in each process; spawned ones inherit none."""
        if stage == "test":  # as in evaluate.py, so that both give the same figures
            device = self.trainer.strategy.root_device.type
            choose_inference_format(self.model, device, str(self.trainer.precision))
            return
        allow_tf32(True)
        synchronize_norms(self.trainer)
        if stage == "fit" and self.hparams.get("compile"):
            self.model.compile()  # in place, so the names of the weights stay the same

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Compute the loss of a batch."""
        batch = as_floats(batch)
        terms = self.criterion(self.model(batch["image"]), batch)
        self.losses.append(self.global_step, terms, batch["name"])
        if should_update_logs(self.trainer):
            values = self._fetch_losses()
            self.log("train/loss", values.pop("total"))
            self.log_dict({f"train/loss_{name}": value for name, value in values.items()})
        return terms["total"]

    def _fetch_losses(self) -> dict[str, float]:
        return self.losses.fetch(lambda own: self.trainer.strategy.reduce(own, reduce_op="mean"))

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip gradients on request, and log ``train/gradient_norm``, their norm before clipping.

        Lightning's method refuses to clip gradients of fused optimisers under mixed precision.
        """
        if not gradient_clip_val and not should_update_logs(self.trainer):
            return
        unscale_gradients(self.trainer, optimizer)
        parameters = [p for p in self.parameters() if p.grad is not None]
        norm = clip_gradients(parameters, gradient_clip_val, gradient_clip_algorithm == "value")
        if should_update_logs(self.trainer):
            self.log("train/gradient_norm", norm)

    def on_validation_start(self) -> None:
        """Check the losses, so that no network is scored after a non-finite loss."""
        self._fetch_losses()
        if self.is_validation_left and not self.trainer.sanity_checking:
            self.is_validation_left = False
            set_max_steps(self.trainer, self.trainer.max_steps - 1)
        names = getattr(self.trainer.datamodule, "other_datasets", [])  # type: ignore[attr-defined]
        self.other_metrics = {name: self.metrics.clone() for name in names}  # on the current device

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Matte and score a photo; callbacks show the returned ``prediction`` and ``metrics``."""
        trimap, (name,), (dataset,) = batch["trimap"], batch["name"], batch["dataset"]
        batch = as_floats(batch)
        with uncompiled():  # photos have many sizes
            prediction = self.inferer(self.model, batch["image"])
        score = self.other_metrics[dataset] if dataset else self.metrics
        with name_photo(name):
            metrics = score(prediction.alpha, batch["alpha"], trimap)
        return {"prediction": prediction, "metrics": metrics}

    def on_validation_epoch_end(self) -> None:
        """Log the means over the photos of all processes, and the best objective so far."""
        values = {**self.trainer.callback_metrics, **self._log_means("val", self.metrics)}
        for name, metrics in self.other_metrics.items():
            self._log_means(f"val/{name}", metrics)
        if self.trainer.state.fn != TrainerFn.FITTING or self.trainer.sanity_checking:
            return  # no trained weights yet
        if (best := self.objective.update(values)) is not None:
            self.log("best", best, sync_dist=True)

    def on_train_epoch_end(self) -> None:
        """Check the losses of the steps that were not logged."""
        self._fetch_losses()

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Matte and score a photo, as in validation."""
        return self.validation_step(batch, batch_idx)

    def on_test_epoch_end(self) -> None:
        """Log the means as ``test/<metric>``."""
        self._log_means("test", self.metrics)

    def _log_means(self, stage: str, metrics: Any) -> dict[str, Tensor]:
        means = metrics.compute()
        metrics.reset()
        # The means are the same in all processes, but Lightning warns without `sync_dist`.
        values = {f"{stage}/{name}": value.float() for name, value in means.items()}
        self.log_dict(values, sync_dist=True)
        return values

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the objective; after a non-finite loss, raise an error instead of saving."""
        self._fetch_losses()
        checkpoint["objective"] = self.objective.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the objective; before training, check that the same parameters are trained.

        Raises:
            GFMError: The trained parameters differ from those in the checkpoint.
        """
        self.objective.load_state_dict(checkpoint.get("objective", {}))
        if self.trainer.state.fn != TrainerFn.FITTING:
            return
        self.is_resumed = True
        check_parameters(checkpoint, self._parameter_groups())
        if restart_unfinished_validation(self.trainer, checkpoint):
            self.is_validation_left = checkpoint["global_step"] == self.trainer.max_steps

    def on_fit_start(self) -> None:
        """Raise the step limit until a validation left after the last step runs."""
        if self.is_validation_left:
            set_max_steps(self.trainer, self.trainer.max_steps + 1)

    def on_train_start(self) -> None:
        """Apply the current options to a resumed run, instead of those in the checkpoint."""
        if self.is_resumed:
            count_begun_epoch(self.trainer)
            schedules = [config.scheduler for config in self.trainer.lr_scheduler_configs]
            apply_options(self.trainer.optimizers[0], self.groups, schedules)

    def _parameter_groups(self) -> Groups:
        return parameter_groups(self.model, self.layer_decay, self.weight_decay_on)

    def configure_optimizers(self) -> Any:
        """Return the optimiser, and a schedule that advances at every step."""
        optimizer = make_optimizer(self.optimizer, self._parameter_groups())
        schedules = []
        if self.scheduler is not None:
            num_steps = int(self.trainer.estimated_stepping_batches)
            schedule = make_schedule(self.scheduler, optimizer, num_steps)
            schedules.append({"scheduler": schedule, "interval": "step"})
        self.groups = group_options(optimizer)  # the current options, even in a resumed run
        return [optimizer], schedules
