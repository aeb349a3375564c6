"""Scores mattes: ``python evaluate.py``, ``gfm evaluate``, and the same from Python."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig

from gfm.run.app import run_app
from gfm.run.configs import CONFIGS
from gfm.run.exit import report_errors
from gfm.run.overrides import shell_override
from gfm.run.sweep import run_job, worst_objective


def main() -> None:
    """Run the command line."""
    run_app(app)


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="evaluate")
def app(cfg: DictConfig) -> float:
    """Evaluate, and return the objective for ranking the runs of a sweep."""
    with report_errors(f"the same command and {shell_override('paths.run', cfg.paths.run)}"):
        return run_job(cfg, evaluate)
    return worst_objective(cfg)  # a job of a sweep failed; its error was reported


def evaluate(cfg: DictConfig) -> tuple[dict[str, float], dict[str, Any]]:
    """Score the mattes of a network or a folder, as ``cfg`` defines, and write the results.

    Each of several test sets gets a sub-folder; see :mod:`gfm.run.test_sets`.

    Returns:
        The means, over test sets if there are several, and the objects of the run by name; both
        empty except on global rank zero.

    Raises:
        GFMError: Another run is using the folder, it holds a different evaluation, or the input is
            bad.
    """
    # Imported here, because --help should not wait for torch and Lightning.
    from gfm.evaluation.test_sets import check_folder
    from gfm.run import scoring
    from gfm.run.configuration import load_config_per_set
    from gfm.run.evaluation import Evaluation, finish, publish_means
    from gfm.run.folders import check_not_training, check_shared, use_folder
    from gfm.run.option_errors import options_of_set

    with use_folder(Path(cfg.paths.run), "evaluate.log") as folder:
        check_shared(cfg)
        check_not_training(folder)
        check_folder(folder, bool(cfg.sets))
        configs = load_config_per_set(cfg)
        network = scoring.load(configs[0])
        evaluations = []
        for config in configs:  # check the data of all test sets before scoring the first
            with options_of_set(config.folder.name) if cfg.sets else nullcontext():
                evaluations.append(Evaluation(config, network))
        summaries = {evaluation.name: evaluation.run() for evaluation in evaluations}
        if not all(summaries.values()):
            return {}, {}  # rank zero returns them
        summary = summaries[evaluations[0].name]
        if cfg.sets:
            summary = publish_means(cfg, evaluations, summaries)
        finish(evaluations)
    return summary, {"folder": folder, "evaluations": evaluations}
