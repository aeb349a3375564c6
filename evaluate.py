"""Scores a checkpoint on a validation set: ``python evaluate.py checkpoint=.../best.ckpt``."""

from pathlib import Path
from typing import Any

import hydra
import pytorch_lightning as pl
from omegaconf import DictConfig, OmegaConf

from gfm.build import build, plain
from gfm.checkpoints import Checkpoint, load_model
from gfm.console import console, metrics_table
from gfm.evaluation import Evaluation, write_results
from gfm.inference import Hybrid, Resize, Strategy
from gfm.launch import faults, launch


def choose_strategy(config: dict[str, Any], checkpoint: Checkpoint) -> Strategy:
    """The strategy asked for, else that of the run, else the official one for its RoSTA."""
    node = config["inference"] or checkpoint.config.get("inference")
    if node:
        strategy: Strategy = build(node)
        return strategy
    return Resize(scale=1 / 3) if checkpoint.model["rosta"] == "rim" else Hybrid()


def evaluate(cfg: DictConfig) -> tuple[dict[str, float], dict[str, Any]]:
    """Builds, mattes, scores, writes; returns the means and the objects of the run."""
    config = plain(cfg)
    folder = Path(config["paths"]["run"])
    model, checkpoint = load_model(config["checkpoint"])
    strategy = choose_strategy(config, checkpoint)
    (folder / "alpha").mkdir(parents=True, exist_ok=True)
    OmegaConf.save(cfg, folder / "config.yaml", resolve=True)

    datamodule = build(config["datamodule"])
    evaluation = Evaluation(model, strategy, config["protocol"], folder / "alpha")
    trainer: pl.Trainer = build(config["trainer"])
    trainer.test(evaluation, datamodule, verbose=False)
    if not trainer.is_global_zero:
        return {}, {}

    facts = {
        "checkpoint": str(config["checkpoint"]),
        "encoder": checkpoint.model["encoder"]["_target_"].split(".")[-1],
        "RoSTA": checkpoint.model["rosta"].upper(),
        "data": config["data"]["name"],
        "inference": type(strategy).__name__.lower(),
        "protocol": config["protocol"],
    }
    photos = datamodule.validation.photos
    summary = write_results(folder, evaluation.rows, photos, facts)
    console().print(metrics_table(f"{facts['data']}, {facts['protocol']} protocol", summary))
    console().print(f"report: {folder / 'report.html'}", highlight=False)
    return summary, {"folder": folder, "rows": evaluation.rows, "model": model}


@hydra.main(version_base="1.3", config_path="configs", config_name="evaluate")
def main(cfg: DictConfig) -> None:
    """Command line."""
    with faults():
        evaluate(cfg)


if __name__ == "__main__":
    launch(main)
