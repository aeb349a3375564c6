"""Trains a matting network: ``python train.py backbone=r34_2b track=comp_rssn``."""

from pathlib import Path
from typing import Any

import hydra
import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import LearningRateMonitor

from gfm.build import build, plain
from gfm.checkpoints import load_weights, read_checkpoint, without_pretrained
from gfm.console import announce, show_results
from gfm.final_test import test_best
from gfm.launch import data_options, faults, launch
from gfm.loggers import closed_at_end
from gfm.module import MattingModule
from gfm.provenance import provenance
from gfm.ranks import is_first
from gfm.resume import continued, whole_checkpoint
from gfm.sweeps import FAILED, best, check_strategy


def train(cfg: DictConfig) -> tuple[dict[str, float], dict[str, Any]]:
    """Composes, builds, trains; returns the last metrics and the objects of the run."""
    config = plain(cfg)
    run = Path(config["paths"]["run"])
    if is_first():
        run.mkdir(parents=True, exist_ok=True)
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
        strategy=build(config["inference"]),
        metrics=build(config["metrics"]),
        config={**config, "provenance": provenance(datamodule)},
        layer_decay=config["layer_decay"],
    )
    if config["init_from"]:
        load_weights(module.model, read_checkpoint(Path(config["init_from"])), config["init_from"])
    if config["compile"]:
        module.model.compile()  # in place: names of weights stay

    callbacks = [build(node) for node in (config["callbacks"] or {}).values()]
    loggers = [build(node) for node in (config["logger"] or {}).values()]
    if not loggers:
        callbacks = [c for c in callbacks if not isinstance(c, LearningRateMonitor)]
    trainer: pl.Trainer = build(config["trainer"], callbacks=callbacks, logger=loggers)
    check_strategy(trainer)
    with closed_at_end():
        trainer.fit(module, datamodule, ckpt_path=resumed, weights_only=True)
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        if config["test"]:
            strategy = build(config["data"]["final"])
            metrics |= test_best(trainer, module, datamodule, strategy)
    show_results(trainer, metrics, data_options(config["data"]["name"], run))
    return metrics, {"trainer": trainer, "module": module, "datamodule": datamodule}


@hydra.main(version_base="1.3", config_path="configs", config_name="train")
def main(cfg: DictConfig) -> float:
    """Command line; returns what a search minimises."""
    with faults():
        cfg = continued(cfg)
        return best(train(cfg)[0], cfg.objective)
    return FAILED


if __name__ == "__main__":
    launch(main)
