"""Runs ``python train.py`` and ``gfm train``. Lightning starts this file again for each device."""

from functools import partial
from pathlib import Path

import hydra
from omegaconf import DictConfig

from gfm.run.app import run_hydra_app
from gfm.run.configs import CONFIGS
from gfm.run.exit import report_errors
from gfm.run.folders import discard_failed_start
from gfm.run.resume import resume_command
from gfm.run.sweep import run_job, worst_objective
from gfm.system.run_folder import LAST_CHECKPOINT


def main() -> None:
    """Run the command line."""
    run_hydra_app(app, trains=True)


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="train")
def app(cfg: DictConfig) -> float:
    """Train, and return the objective for ranking the runs of a sweep."""
    run = Path(cfg.paths.run)
    with (
        discard_failed_start(run),
        report_errors(partial(resume_command, run), saved=run / LAST_CHECKPOINT),
    ):
        from gfm.run.train import train  # imported here, because --help should not wait for torch

        return run_job(cfg, train)
    return worst_objective(cfg)  # report_errors has swallowed the error of a job of a sweep


if __name__ == "__main__":
    main()
