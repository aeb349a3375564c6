"""A training from its configuration to its results."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import LearningRateMonitor

from gfm.build import build, plain
from gfm.checkpoints import load_weights, read_weights
from gfm.checkpoints.formats import without_pretrained
from gfm.compat.lightning import starts_processes_by_script
from gfm.data.samplers import share_of_batch
from gfm.errors import GFMError
from gfm.launch.machine import decide
from gfm.launch.summary import announce, data_options, show_results
from gfm.launch.sweeps import in_sweep
from gfm.system.console import open_log
from gfm.system.ranks import is_first
from gfm.training.curves import draw_curves
from gfm.training.final_test import test_best
from gfm.training.loggers.wandb import closed_at_end
from gfm.training.module import MattingModule
from gfm.training.provenance import provenance
from gfm.training.resume import whole_checkpoint


def train(cfg: DictConfig) -> tuple[dict[str, float], dict[str, Any]]:
    """Composes, builds, trains; returns the last metrics and the objects of the run."""
    run = Path(cfg.paths.run)
    if is_first():
        open_log(run / "train.log")
    cfg, channels_last = decide(cfg)
    config = plain(cfg)
    if is_first():
        OmegaConf.save(cfg, run / "config.yaml", resolve=True)
        announce(config)
    resumed = whole_checkpoint(Path(config["ckpt_path"])) if config["ckpt_path"] else None

    pl.seed_everything(config["seed"], workers=True, verbose=False)
    torch.set_float32_matmul_precision("high")
    datamodule = build(config["datamodule"])
    datamodule.setup("fit")  # Lightning does so too, but only after weights were fetched
    starts_from_file = config["ckpt_path"] or config["init_from"]
    module = MattingModule(
        model=build(without_pretrained(config["model"]) if starts_from_file else config["model"]),
        criterion=build(config["loss"]),
        optimizer=build(config["optimizer"]),
        scheduler=build(config["scheduler"]),
        inferer=build(config["inference"]),
        metrics=build(config["metrics"]),
        config={**config, "provenance": provenance(datamodule)},
        layer_decay=config["layer_decay"],
    )
    if config["init_from"]:
        load_weights(module.model, read_weights(Path(config["init_from"])), config["init_from"])
    if channels_last:
        module.model.use_channels_last()
    if config["compile"]:
        module.model.compile()  # in place: names of weights stay

    callbacks = [build(node) for node in (config["callbacks"] or {}).values()]
    loggers = [build(node) for node in (config["logger"] or {}).values()]
    if not loggers:
        callbacks = [c for c in callbacks if not isinstance(c, LearningRateMonitor)]
    trainer: pl.Trainer = build(config["trainer"], callbacks=callbacks, logger=loggers)
    # Here too, before processes are started that would each say so.
    share_of_batch(config["datamodule"]["batch_size"], trainer.num_devices * trainer.num_nodes)
    if in_sweep() and starts_processes_by_script(trainer):  # each would start the whole sweep
        raise GFMError("jobs of a sweep cannot start processes by ddp: trainer.strategy=ddp_spawn")
    with closed_at_end():
        trainer.fit(module, datamodule, ckpt_path=resumed, weights_only=True)
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        if config["test"]:
            metrics |= test_best(trainer, module, datamodule)
    if is_first() and (run / "metrics.csv").is_file():
        draw_curves(run / "metrics.csv", run / "curves.png")
    show_results(trainer, metrics, data_options(config["data"]["name"], run))
    return metrics, {"trainer": trainer, "module": module, "datamodule": datamodule}
