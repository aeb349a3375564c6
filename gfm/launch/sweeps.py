"""Sweeps: many runs of one command line, and the table of their results."""

import csv
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import RunMode
from omegaconf import DictConfig
from rich.markup import escape
from rich.table import Table

from gfm.compat.hydra import Callback
from gfm.system.console import console

FAILED = math.inf
"""The objective of a run without a result: for a search the worst that there is."""

ERROR = "error.txt"
"""In the folder of a job that failed: why."""


def in_sweep() -> bool:
    """Whether this is a job of ``python train.py -m``."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def best(metrics: Mapping[str, float], objective: str) -> float:
    """The lowest value of the objective in a run, or the last one where the best was not kept.

    Args:
        metrics: as last logged.
        objective: the metric's logged name.
    """
    return metrics.get("best", metrics.get(objective, FAILED))


class SweepSummary(Callback):
    """Prints and writes the runs of a sweep, best first, and fails if one of them did.

    Each run leaves its objective in ``result.json``, since it may be of another process or
    machine; the sweep's folder gets ``sweep.csv``.
    """

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        """Notes a result."""
        if config.hydra.mode != RunMode.MULTIRUN:
            return
        folder = Path(config.hydra.runtime.output_dir)
        completed = job_return.status == JobStatus.COMPLETED
        value = job_return.return_value if completed else FAILED
        result = {
            "failed": not completed or (folder / ERROR).is_file(),
            "objective": value if math.isfinite(value) else None,
            "overrides": list(config.hydra.overrides.task),
        }
        (folder / "result.json").write_text(json.dumps(result, indent=2) + "\n")

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Reads them all."""
        sweep = Path(config.hydra.sweep.dir)
        results = [
            {"run": str(path.parent.relative_to(sweep)), **json.loads(path.read_text())}
            for path in sweep.rglob("result.json")
        ]
        results.sort(key=_rank)
        with (sweep / "sweep.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["run", config.objective, "overrides"])
            writer.writerows((r["run"], r["objective"], " ".join(r["overrides"])) for r in results)
        console().print(_table(results, config.objective))
        console().print(f"runs: {sweep}", highlight=False)
        num_failed = sum(result["failed"] for result in results)
        if num_failed:
            console().print(f"[bold red]{num_failed} of {len(results)} runs failed:[/] see {ERROR}")
            raise SystemExit(1)


def _rank(result: dict[str, Any]) -> tuple[bool, float, int, str]:
    value = FAILED if result["objective"] is None else result["objective"]
    return result["failed"], value, len(result["run"]), result["run"]  # 2 before 10


def _table(results: list[dict[str, Any]], objective: str) -> Table:
    everywhere = set.intersection(*(set(r["overrides"]) for r in results)) if results else set()
    shared = everywhere if len(results) > 1 else set()
    table = Table(title="sweep, best first", title_justify="left")
    for name in ("run", "overrides"):
        table.add_column(name)
    table.add_column(objective, justify="right")
    for result in results:
        own = " ".join(option for option in result["overrides"] if option not in shared)
        value = "none" if result["objective"] is None else f"{result['objective']:.5g}"
        table.add_row(result["run"], escape(own), "[red]failed[/]" if result["failed"] else value)
    return table
