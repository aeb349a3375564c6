"""Trains a network: ``python train.py``, ``gfm train``, and the same from Python."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from omegaconf import DictConfig

from gfm.run.app import run_app
from gfm.run.configs import CONFIGS
from gfm.run.exit import keep_status, report_errors
from gfm.run.folders import discard_failed_start
from gfm.run.resume import resume_command
from gfm.run.sweep import run_job, worst_objective
from gfm.system.run_folder import LAST_CHECKPOINT

if TYPE_CHECKING:
    import pytorch_lightning as pl

    from gfm.config import TrainConfig
    from gfm.data.datamodule import MattingDataModule
    from gfm.training.final_test import FinalTest
    from gfm.training.module import MattingModule
    from gfm.training.resume_checks import SavedRun


def main() -> None:
    """Run the command line."""
    run_app(app, trains=True)


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="train")
def app(cfg: DictConfig) -> float:
    """Train, and return the objective for ranking the runs of a sweep."""
    run = Path(cfg.paths.run)
    with (
        discard_failed_start(run),
        report_errors(resume_command(run), saved=run / LAST_CHECKPOINT),
    ):
        return run_job(cfg, train)
    return worst_objective(cfg)  # a job of a sweep failed; its error was reported


def train(cfg: DictConfig) -> tuple[dict[str, float], dict[str, Any]]:
    """Train a network as ``cfg`` defines, and test the weights at the end.

    Returns:
        The last metrics, and the objects of the run by name.

    Raises:
        GFMError: Another run is using the folder, or the input is bad.
    """
    # Imported here, because --help should not wait for torch and Lightning.
    import pytorch_lightning as pl

    from gfm.config import TrainConfig
    from gfm.run import build, summary
    from gfm.run.configuration import load_config
    from gfm.run.folders import save_config, use_folder

    with use_folder(Path(cfg.paths.run), "train.log") as folder:
        config = load_config(TrainConfig, cfg)
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
    config: "TrainConfig",
    resumed: "SavedRun | None",
    trainer: "pl.Trainer",
    module: "MattingModule",
    datamodule: "MattingDataModule",
) -> "tuple[dict[str, float], FinalTest | None]":
    """Train, and test the weights; return the last metrics, and the result of the test."""
    from gfm.run.build import check_trained
    from gfm.training.final_test import run_final_test, validate_first
    from gfm.training.loggers.finishing import finish_wandb
    from gfm.training.preemption import requeue_after_saving

    folder = config.folder
    with requeue_after_saving(trainer), finish_wandb(), keep_status():
        if config.validate_first and not resumed:
            validate_first(trainer, module, datamodule, folder)
        checkpoint = resumed.path if resumed else None
        trainer.fit(module, datamodule, ckpt_path=checkpoint, weights_only=True)
        check_trained(trainer, resumed)
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        if module.objective.best is not None:  # even if nothing was left to train
            metrics["best"] = module.objective.best
        tested = run_final_test(trainer, module, datamodule, folder, config.test or None)
    return metrics | (tested.metrics if tested else {}), tested
