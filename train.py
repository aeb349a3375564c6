"""Trains a matting network: ``python train.py backbone=r34_2b track=comp_rssn``."""

from pathlib import Path
from typing import Any

import hydra
import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import LearningRateMonitor

from gfm.build import build, plain
from gfm.checkpoints import load_weights, read_checkpoint
from gfm.console import announce, show_results
from gfm.errors import GFMError
from gfm.launch import faults, launch
from gfm.module import MattingModule


def train(cfg: DictConfig) -> tuple[dict[str, float], dict[str, Any]]:
    """Composes, builds, trains; returns the last metrics and the objects of the run."""
    config = plain(cfg)
    run = Path(config["paths"]["run"])
    run.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(cfg, run / "config.yaml", resolve=True)
    announce(config)
    if config["ckpt_path"] and not Path(config["ckpt_path"]).is_file():
        raise GFMError(f"no checkpoint {config['ckpt_path']}: set ckpt_path to a last.ckpt")

    pl.seed_everything(config["seed"], workers=True, verbose=False)
    torch.set_float32_matmul_precision("high")
    datamodule = build(config["datamodule"])
    datamodule.setup("fit")  # Lightning does so too, but only after weights were fetched
    module = MattingModule(
        model=build(config["model"]),
        criterion=build(config["loss"]),
        optimizer=build(config["optimizer"]),
        scheduler=build(config["scheduler"]),
        strategy=build(config["inference"]),
        metrics=build(config["metrics"]),
        config=config,
    )
    if config["init_from"]:
        load_weights(module.model, read_checkpoint(Path(config["init_from"])), config["init_from"])

    callbacks = [build(node) for node in (config["callbacks"] or {}).values()]
    loggers = [build(node) for node in (config["logger"] or {}).values()]
    if not loggers:
        callbacks = [c for c in callbacks if not isinstance(c, LearningRateMonitor)]
    trainer: pl.Trainer = build(config["trainer"], callbacks=callbacks, logger=loggers)
    trainer.fit(module, datamodule, ckpt_path=config["ckpt_path"], weights_only=True)

    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    show_results(trainer, metrics, data=config["data"]["name"])
    return metrics, {"trainer": trainer, "module": module, "datamodule": datamodule}


@hydra.main(version_base="1.3", config_path="configs", config_name="train")
def main(cfg: DictConfig) -> None:
    """Command line."""
    with faults():
        train(cfg)


if __name__ == "__main__":
    launch(main)
