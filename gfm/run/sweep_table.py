"""Reads the results of a sweep from its folders, and writes and prints them as tables."""

import json
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from gfm.run.sweep import RESULT
from gfm.system.console import console
from gfm.system.files import write_table

_SHOWN = ("test/sad", "test/mse", "test/grad", "test/conn")
"""Metrics that the table over seeds shows besides the objective."""


def read_results(sweep: Path, mode: str = "min") -> list[dict[str, Any]]:
    """Read the results of the jobs of a sweep, sorted with the best first and unfinished ones last.

    Args:
        sweep: Folder of the sweep.
        mode: ``min`` or ``max``, the better direction of the objective.
    """
    results = [
        {"run": str(path.parent.relative_to(sweep)), **json.loads(path.read_text())}
        for path in sweep.rglob(RESULT)
    ]

    def rank(result: dict[str, Any]) -> tuple[bool, float, int, str]:
        value = result["objective"]
        order = math.inf if value is None else value if mode == "min" else -value
        return result["status"] != "finished", order, len(result["run"]), result["run"]

    return sorted(results, key=rank)  # ties: 2 before 10


def write_sweep_csv(path: Path, results: Sequence[dict[str, Any]]) -> None:
    """Write a row for each run: its objective, options, final metrics, time, status and folder."""
    rows = [
        {**r.get("metrics", {}), **_options(r), **r, "folder": str(path.parent / r["run"])}
        for r in results
    ]
    options = (name for r in results for name in _options(r))
    metrics = (name for r in results for name in r.get("metrics", {}))
    names = dict.fromkeys(["status", "objective", *options, *metrics, "seconds", "folder"])
    names.pop("best", None)
    table = {row["run"]: {name: row.get(name) for name in names} for row in rows}
    write_table(path, table, index="run")


def print_tables(results: Sequence[dict[str, Any]], objective: str | None) -> None:
    """Print the runs, the best first, and the means of those that differ only in their seed."""
    objective = objective or "objective"  # a heading for runs without an objective
    console().print(_runs(results, objective))
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for result in results:
        if result["status"] == "finished" and "seed" in _options(result):
            same = tuple(o for o in result["overrides"] if not o.startswith("seed="))
            groups.setdefault(same, []).append(result)
    groups = {options: group for options, group in groups.items() if len(group) > 1}
    if groups:
        console().print(_seeds(groups, objective, _shared(results)))


def _runs(results: Sequence[dict[str, Any]], objective: str) -> Table:
    shared = _shared(results)
    table = Table(title="sweep, best first", title_justify="left")
    for name in ("run", "overrides"):
        table.add_column(name, overflow="fold")
    table.add_column(objective, justify="right")
    table.add_column("seconds", justify="right")
    for result in results:
        own = " ".join(option for option in result["overrides"] if option not in shared)
        value = Text("none" if result["objective"] is None else f"{result['objective']:.5g}")
        if result["status"] != "finished":
            value = Text(result["status"], "red")
        table.add_row(result["run"], own, value, f"{result.get('seconds', 0):.0f}")
    return table


def _seeds(
    groups: dict[tuple[str, ...], list[dict[str, Any]]], objective: str, shared: set[str]
) -> Table:
    table = Table(title="over seeds, mean ± standard deviation", title_justify="left")
    table.add_column("overrides", overflow="fold")
    table.add_column("seeds", justify="right")
    table.add_column(objective, justify="right")
    first = next(iter(groups.values()))[0]
    names = [name for name in _SHOWN if name in first["metrics"]]
    for name in names:
        table.add_column(name, justify="right")
    for options, group in groups.items():
        scores = [[result["metrics"].get(name) for result in group] for name in names]
        values = [[result["objective"] for result in group], *scores]
        cells = [_mean_and_deviation(column) for column in values]
        own = " ".join(option for option in options if option not in shared)
        table.add_row(own or "-", str(len(group)), *cells)
    return table


def _mean_and_deviation(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return "none"
    return f"{statistics.fmean(known):.5g} ± {statistics.stdev(known):.2g}"


def _options(result: dict[str, Any]) -> dict[str, str]:
    pairs = (option.lstrip("+").partition("=") for option in result["overrides"])
    return {name: value for name, _, value in pairs}


def _shared(results: Sequence[dict[str, Any]]) -> set[str]:
    """Return the options that all runs share; none if there is only one run."""
    options = [set(result["overrides"]) for result in results]
    return set.intersection(*options) if len(options) > 1 else set()
