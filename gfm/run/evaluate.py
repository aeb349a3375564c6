"""Scores mattes, as :mod:`gfm.cli.hydra_apps.evaluate` and Python programs do."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from gfm.evaluation.test_sets import check_folder
from gfm.run import build_evaluation
from gfm.run.configuration import load_evaluate_configs
from gfm.run.evaluation import Evaluation, finish, publish_means
from gfm.run.folders import check_not_training, check_shared, use_folder
from gfm.run.option_errors import options_of_set


def evaluate(cfg: DictConfig) -> tuple[dict[str, float], dict[str, Any]]:
    """Score the mattes of a network or a folder, as ``cfg`` defines, and write the results.

    Each of several test sets gets a sub-folder; see :mod:`gfm.run.test_set_options`.

    Returns:
        The means, over test sets if there are several, and the objects of the run by name; both
        empty except on global rank zero.

    Raises:
        GFMError: Another run is using the folder, it holds a different evaluation, or the input is
            bad.
    """
    with use_folder(Path(cfg.paths.run), "evaluate.log") as folder:
        check_shared(cfg)
        check_not_training(folder)
        check_folder(folder, bool(cfg.sets))
        configs = load_evaluate_configs(cfg)
        network = build_evaluation.load(configs[0])
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
