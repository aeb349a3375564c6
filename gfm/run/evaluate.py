"""Scores mattes: ``python evaluate.py``, ``gfm evaluate``, and the same from Python."""

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
    """Evaluate, and return the objective, by which a sweep ranks its runs."""
    with report_errors(f"the same command and {shell_override('paths.run', cfg.paths.run)}"):
        return run_job(cfg, evaluate)
    return worst_objective(cfg)  # a job of a sweep failed, and its error is reported


def evaluate(cfg: DictConfig) -> tuple[dict[str, float], dict[str, Any]]:
    """Score the mattes of a network or a folder as composed by Hydra, and write the results.

    Returns:
        The means, and the objects of the run by name; both empty except on global rank zero.

    Raises:
        GFMError: Another run is using the folder, or the input is bad.
    """
    # Imported here, because --help should not wait for torch and Lightning.
    from gfm.compat.hydra import instantiate
    from gfm.config import EvaluateConfig
    from gfm.data.datamodule import MattingDataModule
    from gfm.evaluation.journal import Journal
    from gfm.run import scoring
    from gfm.run.configuration import load_config
    from gfm.run.folders import check_shared, save_config, use_folder

    with use_folder(Path(cfg.paths.run), "evaluate.log") as folder:
        check_shared(folder)
        config = load_config(EvaluateConfig, cfg)
        source = instantiate(config.data.source.to_dict())
        datamodule = MattingDataModule(
            source,
            num_workers=config.data.num_workers,
            num_holdout=config.data.num_holdout,
            split=config.data.split,
        )
        datamodule.setup("test")
        photos = datamodule.photos
        source = scoring.choose_source(config, photos)
        settings, facts = scoring.describe(config, photos)

        journal = Journal(folder / "journal")
        scorer = scoring.make_scorer(config, journal)
        done = journal.begin({**source.settings, **settings})
        save_config(config)
        available = source.available(photos)
        left = [p for p in available if p.name not in done or not scorer.path(p.name).is_file()]
        num_done = scoring.announce_done(folder, available, left)
        if not source.run(left, datamodule.num_workers, num_done, scorer):
            return {}, {}  # rank zero writes the results
        summary = scoring.publish(config, source, journal, photos, {**source.facts, **facts})
        source.finish()
    return summary, {"folder": folder, "rows": journal.rows()}
