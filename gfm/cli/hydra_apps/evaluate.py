"""Runs ``python evaluate.py`` and ``gfm evaluate``. Lightning starts this file for each device."""

import hydra
from omegaconf import DictConfig

from gfm.run.app import run_hydra_app
from gfm.run.configs import CONFIGS
from gfm.run.exit import report_errors
from gfm.run.overrides import shell_override
from gfm.run.sweep import run_job, worst_objective


def main() -> None:
    """Run the command line."""
    run_hydra_app(app)


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="evaluate")
def app(cfg: DictConfig) -> float:
    """Evaluate, and return the objective for ranking the runs of a sweep."""
    with report_errors(f"the same command and {shell_override('paths.run', cfg.paths.run)}"):
        from gfm.run.evaluate import evaluate  # imported here: --help should not wait for torch

        return run_job(cfg, evaluate)
    return worst_objective(cfg)  # report_errors has swallowed the error of a job of a sweep


if __name__ == "__main__":
    main()
