"""Evaluates a test set and writes the results to a folder, and the means over several sets."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from gfm.compat.hydra import instantiate
from gfm.config import EvaluateConfig
from gfm.data.datamodule import MattingDataModule
from gfm.errors import GFMError
from gfm.evaluation.journal import Journal
from gfm.evaluation.network import NetworkSource
from gfm.evaluation.results import log_results, log_test_sets, write_results
from gfm.evaluation.test_sets import write_test_sets
from gfm.evaluation.trained_photos import trained_photos
from gfm.metrics import metric_units
from gfm.run import build_evaluation
from gfm.run.folders import save_config
from gfm.run.summary import metrics_table, sets_table
from gfm.run.test_set_options import loggers_of_means
from gfm.system.console import console
from gfm.system.ranks import is_global_zero
from gfm.system.run_folder import read_flat_mattes
from gfm.training.callbacks.flat_mattes import warn_of_flat


class Evaluation:
    """Scores the mattes of a network or a folder on the photos of a test set.

    Photos that were scored before an interruption are not scored again.

    Args:
        config: Configuration of the evaluation.
        network: Network of the checkpoint; ``None`` for mattes from a folder.

    Raises:
        GFMError: Files are missing, or the folder holds an evaluation with different settings.
    """

    def __init__(self, config: EvaluateConfig, network: build_evaluation.Network | None) -> None:
        source = instantiate(config.data.source.to_dict())
        num_workers = config.data.num_workers
        if network is None and num_workers is None:
            num_workers = 1  # threads read the mattes, so /dev/shm need not have room
        self.datamodule = MattingDataModule(
            source,
            num_workers=num_workers,
            num_holdout=config.data.num_holdout,
            split=config.data.split,
        )
        self.datamodule.setup("test")
        self.config = config
        self.name = config.folder.name  # of the test set
        self.photos = self.datamodule.photos
        self.source = build_evaluation.choose_source(config, self.photos, network)
        settings, self.facts = build_evaluation.describe(config, self.photos)
        self.facts |= self._describe_trained(network)
        self.journal = Journal(config.folder / "journal")
        self.scorer = build_evaluation.make_scorer(config, self.journal)
        done = self.journal.begin({**self.source.settings, **settings})
        save_config(config)
        self.available = self.source.available(self.photos)
        self.left = [
            photo
            for photo in self.available
            if photo.name not in done or not self.scorer.path(photo.name).is_file()
        ]

    def _describe_trained(self, network: build_evaluation.Network | None) -> dict[str, str]:
        """Warn about photos that the network was trained on, and return a fact for the report."""
        if network is None:
            return {}
        config = {**self.config.to_dict(), "checkpoint": str(network.path)}
        trained = trained_photos(self.config.folder, config)
        names = [photo.name for photo in self.datamodule.held_out if photo.name in trained]
        if not names:
            return {}
        share = f"{len(names)} of {len(self.photos)} photos of {self.config.data.name}"
        if is_global_zero():
            warnings.warn(
                f"the network was trained on {share}, for example {names[0]}, so the means are too "
                "good: evaluate on other photos",
                stacklevel=3,
            )
        return {"trained on": f"{share}, so the means are optimistic"}

    def run(self) -> dict[str, Any]:
        """Score the remaining photos, and publish the results.

        Returns:
            The content of ``metrics.json``; empty except on global rank zero.
        """
        num_photos = len(self.available)
        num_done = num_photos - len(self.left)
        if num_done and is_global_zero():
            text = f"resuming in {self.config.folder}: {num_done} of {num_photos} photos are scored"
            console().print(text)
        if not self.source.run(self.left, self.datamodule.num_workers, num_done, self.scorer):
            return {}  # rank zero writes the results
        self.facts = {**self.source.facts, **self.facts}
        return self._publish()

    def _publish(self) -> dict[str, Any]:
        """Write, log and print the results, and return the means."""
        rows, config, facts = self.journal.rows(), self.config, self.facts
        if not rows:
            raise GFMError(
                "no photo was scored: set trainer.limit_test_batches=null for all of them"
            )
        if len(rows) < len(self.photos):
            facts["data"] = f"{config.data.name}, {len(rows)} of {len(self.photos)} photos"
        units = metric_units(config.protocol)
        summary = write_results(config.folder, rows, self.photos, facts, units)
        loggers = [instantiate(node.to_dict()) for node in (config.logger or {}).values() if node]
        logged: dict[str, Any] = {**config.to_dict(), **facts}
        if isinstance(self.source, NetworkSource):
            logged["num_parameters"] = sum(p.numel() for p in self.source.model.parameters())
        log_results(loggers, summary, rows, logged, self.photos, config.folder / "alpha")
        title = f"{facts['data']}, {facts['protocol']} protocol"
        if "inference" in facts:
            title += f", {facts['inference']}, {facts['scored']} scored"
        console().print(metrics_table(title, summary, units))
        warn_of_flat(len(read_flat_mattes(config.folder)), len(rows), "report.html")
        console().print(f"report: {config.folder / 'report.html'}")
        return summary


def publish_means(
    cfg: DictConfig,
    evaluations: Sequence[Evaluation],
    summaries: Mapping[str, Mapping[str, float]],
) -> dict[str, float]:
    """Write, log and print the means over several test sets.

    Args:
        cfg: Composed configuration.
        evaluations: Evaluations of the test sets, after they have run.
        summaries: Content of ``metrics.json`` of each test set.

    Returns:
        The content of ``metrics.json`` of the means.
    """
    folder, all_facts = Path(cfg.paths.run), [e.facts.items() for e in evaluations]
    facts = {k: v for k, v in all_facts[0] if all((k, v) in items for items in all_facts)}
    units = metric_units(facts["protocol"])
    rows, summary = write_test_sets(folder, summaries, facts, units)
    log_test_sets(map(instantiate, loggers_of_means(cfg)), summary, facts)
    title = f"{len(summaries)} test sets, {facts['protocol']} protocol"
    console().print(sets_table(title, rows, units))
    console().print(f"report: {folder / 'report.html'}")
    return summary


def finish(evaluations: list[Evaluation]) -> None:
    """Report missing mattes after the results of all test sets are written.

    Raises:
        GFMError: Mattes are missing without ``allow_missing``.
    """
    errors = []
    for evaluation in evaluations:
        try:
            evaluation.source.finish()
        except GFMError as error:
            errors.append(f"{evaluation.name}: {error}" if len(evaluations) > 1 else str(error))
    if errors:
        raise GFMError("; ".join(errors))
