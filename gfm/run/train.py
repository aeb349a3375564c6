"""Trains a network, as :mod:`gfm.cli.hydra_apps.train` and Python programs do."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig

from gfm.config import TrainConfig
from gfm.data.datamodule import MattingDataModule
from gfm.run import build, summary
from gfm.run.configuration import load_train_config
from gfm.run.exit import keep_status
from gfm.run.folders import check_new, save_config, use_folder
from gfm.training.final_test import FinalTest, run_final_test, validate_first
from gfm.training.loggers.finishing import finish_wandb
from gfm.training.module import MattingModule
from gfm.training.preemption import requeue_after_saving
from gfm.training.resume_checks import SavedRun


def train(cfg: DictConfig) -> tuple[dict[str, float], dict[str, Any]]:
    """Train a network as ``cfg`` defines, and test the weights at the end.

    Returns:
        The last logged metrics, ``best`` and those of the final test; and the objects of the run
        by name.

    Raises:
        GFMError: Another run is using the folder, or the input is bad.
    """
    with use_folder(Path(cfg.paths.run), "train.log") as folder:
        check_new(folder, cfg.ckpt_path)  # also of Python callers and jobs of a sweep
        config = load_train_config(cfg)
        resumed = build.find_run_to_resume(config)
        summary.announce(config, resumed)

        pl.seed_everything(config.seed, workers=True, verbose=False)
        datamodule = build.build_datamodule(config)
        module = build.build_module(config, datamodule, resumed)
        trainer = build.build_trainer(config)
        build.check_batch(config, trainer, module.model, len(datamodule.training))
        build.save_split(datamodule, folder)
        save_config(config)  # not before: a resumed run that cannot start keeps its file

        metrics, tested = _fit_and_test(config, resumed, trainer, module, datamodule)
        summary.show_results(config, trainer, metrics, tested, datamodule.photos)
    return metrics, {"trainer": trainer, "module": module, "datamodule": datamodule}


def _fit_and_test(
    config: TrainConfig,
    resumed: SavedRun | None,
    trainer: pl.Trainer,
    module: MattingModule,
    datamodule: MattingDataModule,
) -> tuple[dict[str, float], FinalTest | None]:
    """Train, and test the weights; return the last metrics, and the result of the test."""
    folder = config.folder
    with requeue_after_saving(trainer), finish_wandb(), keep_status():
        if config.validate_first and not resumed:
            validate_first(trainer, module, datamodule, folder)
        checkpoint = resumed.path if resumed else None
        # A resumed run restores all states; `weights_only` is torch.load's safe mode.
        trainer.fit(module, datamodule, ckpt_path=checkpoint, weights_only=True)
        build.check_trained(trainer, resumed)
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        if module.objective.best is not None:  # even if nothing was left to train
            metrics["best"] = module.objective.best
        tested = run_final_test(trainer, module, datamodule, folder, config.test or None)
    return metrics | (tested.metrics if tested else {}), tested
