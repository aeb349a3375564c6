"""Builds and checks the objects of a training run, in the order of :mod:`gfm.run.train`."""

import warnings
from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, Checkpoint
from torch import nn

from gfm.checkpoints import check_same_problem, load_weights, read_weights, without_pretrained
from gfm.compat.hydra import instantiate
from gfm.compat.lightning_callbacks import TimeLimit
from gfm.config import TrainConfig
from gfm.data.batch import split_batch
from gfm.data.datamodule import MattingDataModule
from gfm.data.dataset import SampleOptions
from gfm.data.split import write_split
from gfm.errors import GFMError
from gfm.models.gfm import GFM
from gfm.prepare.content import check_photos
from gfm.run.sweep import check_strategy
from gfm.system.console import console
from gfm.system.ranks import is_global_zero
from gfm.system.run_folder import SPLIT
from gfm.training.callbacks import Freezing
from gfm.training.cudnn_benchmark import CudnnBenchmark
from gfm.training.failures import FailTogether
from gfm.training.module import MattingModule
from gfm.training.preemption import SaveAtEnd
from gfm.training.provenance import provenance
from gfm.training.resume_checks import (
    SavedRun,
    check_length,
    check_options,
    check_samples,
    read_saved_run,
)


def find_run_to_resume(config: TrainConfig) -> SavedRun | None:
    """Return the run of the checkpoint that ``ckpt_path`` names; ``None`` for a new run.

    Raises:
        GFMError: The checkpoint is missing; an option that it depends on has changed; or it was
            trained beyond the new limits.
    """
    if config.ckpt_path is None:
        return None
    saved = read_saved_run(Path(config.ckpt_path))
    check_options(saved, {**config.to_dict(), "model": config.network})
    check_length(saved, config.trainer.max_epochs, config.trainer.max_steps)
    return saved


def build_datamodule(config: TrainConfig) -> MattingDataModule:
    """Build the data module and list its files."""
    data = config.data
    datamodule = MattingDataModule(
        source=instantiate(data.source.to_dict()),
        track=instantiate(config.track.to_dict()),
        samples=_sample_options(config),
        batch_size=data.batch_size,
        num_workers=data.num_workers,
        compose_on=data.compose_on,
        num_validation_photos=data.num_validation_photos,
        num_holdout=data.num_holdout,
        split=data.split,
        repeats_first_epoch=data.repeats_first_epoch,
    )
    datamodule.setup("fit")  # Lightning calls this too, but only after weights are downloaded
    notes = check_photos(datamodule.training.photos) if data.on_error == "stop" else []
    if is_global_zero():
        for note in notes:
            console().print(f"note: {note}")
        counts = datamodule.training.order.counts
        if len(counts) > 1:
            shares = (f"{number} of {name or data.name}" for name, number in counts.items())
            console().print(f"samples per epoch: {', '.join(shares)}")
    return datamodule


def _sample_options(config: TrainConfig) -> SampleOptions:
    data = config.data
    return SampleOptions(
        rosta=config.rosta,
        crop_sizes=data.crop_sizes,
        fallback_size=data.fallback_size,
        transition_probability=data.transition_probability,
        input_size=data.input_size,
        interpolation=data.interpolation,
        flip_probability=data.flip_probability,
        seed=config.seed,
        also_share=data.also_share,
        on_error=data.on_error,
    )


def save_split(datamodule: MattingDataModule, folder: Path) -> None:
    """Write the split of the training photos to a run's folder, if any are held out."""
    if is_global_zero() and datamodule.held_out:
        write_split(folder / SPLIT, datamodule.held_out, datamodule.training.photos)


def build_module(
    config: TrainConfig, datamodule: MattingDataModule, resumed: SavedRun | None
) -> MattingModule:
    """Build the Lightning module of a run.

    Args:
        config: Configuration of the run.
        datamodule: Data module, set up for training.
        resumed: Run that Lightning will restore; its weights replace those of ``init_from``.

    Raises:
        GFMError: ``init_from`` has a different architecture, or the training photos differ from
            those of the resumed run without ``data.allow_other_photos``.
    """
    origin = provenance(datamodule)
    if resumed:
        check_samples(resumed, origin["samples"], config.data.allow_other_photos)
    # Checkpoints store the node as it is; pretrained weights that will be replaced are not read.
    node = without_pretrained(config.network) if resumed or config.init_from else config.network
    module = MattingModule.from_config(
        {**config.to_dict(), "model": config.network, "provenance": origin},
        model=instantiate(node),
    )
    if config.init_from and not resumed:
        source = read_weights(Path(config.init_from))
        load_weights(module.model, source, config.init_from)
        check_same_problem(config.network, source, config.init_from)
    if config.memory_format == "channels_last":
        module.model.use_channels_last()
    return module


def build_trainer(config: TrainConfig) -> pl.Trainer:
    """Build the trainer with its callbacks and loggers.

    Raises:
        GFMError: The strategy cannot start its processes here; see
            :func:`gfm.run.sweep.check_strategy`.
    """
    callbacks = _build_callbacks(config)
    trainer: pl.Trainer = instantiate(
        config.trainer.to_dict(),
        callbacks=callbacks,
        logger=[instantiate(node.to_dict()) for node in (config.logger or {}).values() if node],
        enable_checkpointing=any(isinstance(c, Checkpoint) for c in callbacks),
    )
    check_strategy(trainer)
    return trainer


def _build_callbacks(config: TrainConfig) -> list[Callback]:
    """Build the callbacks of the configuration; warn if none of them saves weights."""
    nodes = config.callbacks.to_dict() if config.callbacks else {}
    chosen = [instantiate(node) for node in nodes.values() if node]
    callbacks: list[Callback] = [FailTogether(), *chosen]
    if not any(isinstance(c, Checkpoint | SaveAtEnd) for c in callbacks):
        text = "no weights will be saved, because callbacks has neither best, last nor end"
        warnings.warn(text, stacklevel=2)
    trainer = config.trainer.to_dict()
    if trainer.get("benchmark") is None and not trainer.get("deterministic"):
        callbacks.append(CudnnBenchmark())
    if trainer.get("max_time") is not None:  # replaces the Timer that Lightning would add
        callbacks.append(TimeLimit(trainer["max_time"]))
    if config.freeze:
        callbacks.append(Freezing(config.freeze, config.unfreeze_every))
    return callbacks


def check_batch(config: TrainConfig, trainer: pl.Trainer, model: GFM, num_available: int) -> None:
    """Check that the batch divides evenly among processes and is large enough for batch norm.

    The loader also checks the batch, but then every process would print the error. Warn if an epoch
    has fewer samples than a batch.

    Args:
        config: Configuration of the run.
        trainer: Its trainer, with the number of processes.
        model: Its network.
        num_available: Number of samples per epoch.

    Raises:
        GFMError: The batch does not divide evenly, or each process gets one sample whose deepest
            feature is a single pixel.
    """
    num_processes = trainer.num_devices * trainer.num_nodes
    num_samples = split_batch(config.data.batch_size, num_processes)
    side, stride = config.data.input_size, model.encoder.strides[-1]
    is_alone = num_samples == 1 and side <= stride and not config.trainer.sync_batchnorm
    if is_alone and any(isinstance(module, nn.BatchNorm2d) for module in model.modules()):
        raise GFMError(
            f"data.batch_size=1 and data.input_size={side} leave batch normalisation one pixel: "
            f"set data.batch_size=2 for each process, or data.input_size={2 * stride}"
        )
    if num_available < config.data.batch_size and is_global_zero():
        text = f"data.batch_size={config.data.batch_size} is larger than an epoch, so each step"
        warnings.warn(
            f"{text} has only {num_available} samples: set it to at most that", stacklevel=2
        )


def check_trained(trainer: pl.Trainer, resumed: SavedRun | None) -> None:
    """Check that a new run has taken a step; tell the user if a resumed run had none left.

    Raises:
        GFMError: A new run has ended without a single step.
    """
    if resumed:
        if trainer.global_step == resumed.steps and is_global_zero():
            limits = "trainer.max_epochs, trainer.max_steps or trainer.max_time"
            console().print(f"no step was left to train: to train on, raise {limits}")
        return
    # Spawned processes return what they logged, but not the step.
    has_logged = any(name.startswith("train/") for name in trainer.callback_metrics)
    if trainer.global_step == 0 and not has_logged:
        raise GFMError(
            "training took no step, so there are no weights to save or test: set "
            "trainer.max_epochs, trainer.max_steps and trainer.limit_train_batches above 0 "
            "(max_steps=-1: no limit)"
        )
