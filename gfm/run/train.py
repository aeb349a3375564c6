"""Trains a network, from the configuration of a run to its results."""

import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import Callback, Checkpoint

from gfm.checkpoints import check_normalization, load_weights, read_weights
from gfm.checkpoints.formats import without_pretrained
from gfm.compat.hydra import instantiate, to_plain
from gfm.compat.lightning import launches_script_per_device
from gfm.data.datamodule import ONLY_EVALUATED, MattingDataModule
from gfm.data.samplers import share_of_batch
from gfm.errors import GFMError
from gfm.run.bounds import check_bounds, check_norms
from gfm.run.kept_options import keep_options
from gfm.run.machine import decide
from gfm.run.summary import announce, show_results
from gfm.run.sweeps import in_sweep
from gfm.system.console import open_log
from gfm.system.files import remove_stale, write_text
from gfm.system.locks import folder_lock
from gfm.system.ranks import is_global_zero
from gfm.training.callbacks import Freezing
from gfm.training.curve_plot import draw_curves
from gfm.training.final_test import run_final_test, weights_to_test
from gfm.training.loggers.wandb_logger import closed_at_end
from gfm.training.module import MattingModule
from gfm.training.objective import check_objective
from gfm.training.preemption import SaveAtEnd
from gfm.training.provenance import provenance
from gfm.training.resume_checks import check_options, whole_checkpoint


def train(cfg: DictConfig) -> tuple[dict[str, float], dict[str, Any]]:
    """Build a run from its configuration, train it, and test the weights at the end.

    Returns:
        The last metrics, and the objects of the run by name.

    Raises:
        GFMError: Another run is using the folder, or the input is at fault.
    """
    with folder_lock(Path(cfg.paths.run)):
        return _train(cfg)


def _train(cfg: DictConfig) -> tuple[dict[str, float], dict[str, Any]]:
    run = Path(cfg.paths.run)
    if is_global_zero():
        open_log(run / "train.log")
        remove_stale(run, "**/.*.tmp")
    if "crop_sizes" not in cfg.data:  # nor the other options of training, which would be missed
        raise GFMError(ONLY_EVALUATED)
    check_bounds(to_plain(cfg))
    cfg, channels_last = decide(cfg)
    config = to_plain(cfg)
    to_test = weights_to_test(config["test"])
    resumed = _checkpoint_to_resume(config)
    if is_global_zero():
        write_text(run / "config.yaml", OmegaConf.to_yaml(cfg, resolve=True))
        keep_options(run)
        announce(config)

    pl.seed_everything(config["seed"], workers=True, verbose=False)
    torch.set_float32_matmul_precision("high")
    config = overfitting(config)
    datamodule = instantiate(config["datamodule"])
    datamodule.setup("fit")  # Lightning calls this too, but only after weights are downloaded
    module = build_module(config, datamodule, resumed, channels_last)
    trainer = build_trainer(config)
    # The loader checks the batch too, but then every process would print the error.
    num_processes = trainer.num_devices * trainer.num_nodes
    check_norms(module.model, config, share_of_batch(datamodule.batch_size, num_processes))
    with closed_at_end():
        trainer.fit(module, datamodule, ckpt_path=resumed, weights_only=True)
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        if module.objective.best is not None:  # even if nothing was left to train
            metrics["best"] = module.objective.best
        tested = run_final_test(trainer, module, datamodule, run, to_test)
        metrics |= tested.metrics if tested else {}
    if is_global_zero() and (run / "metrics.csv").is_file():
        draw_curves(run / "metrics.csv", run / "curves.png")
    show_results(trainer, metrics, tested, config)
    return metrics, {"trainer": trainer, "module": module, "datamodule": datamodule}


def _checkpoint_to_resume(config: dict[str, Any]) -> Path | None:
    """Return the checkpoint that ``ckpt_path`` asks for; ``None`` for a new run."""
    if not config["ckpt_path"]:
        return None
    path = whole_checkpoint(Path(config["ckpt_path"]))
    check_options(path, config)
    return path


def build_module(
    config: dict[str, Any], datamodule: MattingDataModule, resumed: Path | None, channels_last: bool
) -> MattingModule:
    """Build the network with everything that trains it.

    Args:
        config: Plain configuration of the run.
        datamodule: Data module, set up for training.
        resumed: Checkpoint that Lightning will restore; its weights replace those of ``init_from``.
        channels_last: Whether to store channels innermost in memory.

    Raises:
        GFMError: The objective is not logged, or ``init_from`` holds another architecture.
    """
    starts_from_file = resumed or config["init_from"]
    module = MattingModule.from_config(
        {**config, "provenance": provenance(datamodule)},
        model=instantiate(
            without_pretrained(config["model"]) if starts_from_file else config["model"]
        ),
    )
    check_objective(config["objective"], module.metrics.names)
    if config["init_from"] and not resumed:
        source = read_weights(Path(config["init_from"]))
        load_weights(module.model, source, config["init_from"])
        check_normalization(config["model"], source, config["init_from"])
    if channels_last:
        module.model.use_channels_last()
    if config["compile"]:
        module.model.compile()  # in place, so the names of the weights stay the same
    return module


def build_trainer(config: dict[str, Any]) -> pl.Trainer:
    """Build the trainer with its callbacks and loggers.

    Raises:
        GFMError: A job of a sweep would start processes by running the script again.
    """
    callbacks = build_callbacks(config)
    loggers = [instantiate(node) for node in (config["logger"] or {}).values()]
    trainer: pl.Trainer = instantiate(
        config["trainer"],
        callbacks=callbacks,
        logger=loggers,
        enable_checkpointing=any(isinstance(c, Checkpoint) for c in callbacks),
    )
    if in_sweep() and launches_script_per_device(trainer):  # each would start the whole sweep
        raise GFMError(
            "jobs of a sweep cannot start processes by ddp: set trainer.strategy=ddp_spawn"
        )
    return trainer


def overfitting(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration with ``trainer.overfit_batches`` replaced by other options.

    Lightning's own option would replace our sampler by one whose keys the dataset does not know,
    and every epoch would still draw other windows.
    """
    amount = config["trainer"]["overfit_batches"]
    if not amount:
        return config
    trainer = {**config["trainer"], "overfit_batches": 0.0, "limit_train_batches": amount}
    if trainer["limit_val_batches"] is None:
        trainer["limit_val_batches"] = amount
    datamodule = {**config["datamodule"], "repeats_first_epoch": True}
    return {**config, "trainer": trainer, "datamodule": datamodule}


def build_callbacks(config: dict[str, Any]) -> list[Callback]:
    """Build the callbacks of the configuration; warn if none of them saves weights."""
    nodes = [node for node in (config["callbacks"] or {}).values() if node]
    callbacks: list[Callback] = [instantiate(node) for node in nodes]
    if not any(isinstance(c, Checkpoint | SaveAtEnd) for c in callbacks):
        text = "no weights will be saved, because callbacks has neither best, last nor end"
        warnings.warn(text, stacklevel=2)
    if config["freeze"]:
        callbacks.append(Freezing(config["freeze"], config["unfreeze_every"]))
    return callbacks
