"""Makes a table of the runs of a sweep: a row for each cell, a column for each metric.

A cell is one or more runs that differ only in their seed, or in the weights that they evaluate. All
runs are compared on the photos that they share. Whether a cell differs significantly from the best
one is decided by the paired bootstrap of :mod:`gfm.evaluation.comparison`, on errors averaged over
the runs of a cell. The bootstrap covers the choice of photos, not that of seeds.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from gfm.errors import GFMError
from gfm.evaluation.comparison import (
    FLAT_MARK,
    Comparison,
    bootstrap_differences,
    match_runs,
    mean_over_photos,
)
from gfm.evaluation.journal import read_settings
from gfm.evaluation.published import find_published
from gfm.evaluation.scores import Scores, read_scores
from gfm.metrics import METRIC_NAMES, metric_units
from gfm.system.files import write_text

_ERRORS: Final = {name for names in METRIC_NAMES.values() for name in names}
"""Metrics of the protocols, where lower is better; for others, higher may be better."""

DEFINITION: Final = "table.json"
"""File in the folder of a sweep that defines its table."""


@dataclass(frozen=True)
class Definition:
    """What a table shows.

    Attributes:
        title: Title above the table.
        cells: Folders of the runs of each cell, relative to that of the sweep, by label.
        options: Overrides specific to each cell, by label.
        shared: Overrides of all runs.
        metrics: Metrics in the order of the columns.
        published: Names of published rows, by cell label.
        notes: Sentences below the table.
    """

    title: str
    cells: dict[str, list[str]]
    options: dict[str, list[str]]
    shared: list[str]
    metrics: list[str]
    published: dict[str, str]
    notes: list[str]


class Entry(NamedTuple):
    """A metric of a cell.

    Attributes:
        mean: Mean over runs.
        deviation: Sample standard deviation over runs; ``None`` for a single run.
        rank: 1 is the best of the column, 2 the second best, 0 any other.
        is_close: Whether the cell is not the best of the column, but not significantly different.
    """

    mean: float
    deviation: float | None
    rank: int
    is_close: bool


@dataclass(frozen=True)
class Row:
    """A cell with its options and runs; ``entries`` is empty if no run has a result yet.

    ``num_flat`` mattes of its runs are nearly empty or constant.
    """

    label: str
    options: list[str]
    folders: list[str]
    num_runs: int
    entries: list[Entry]
    published: dict[str, float]
    num_flat: int

    @property
    def shown(self) -> str:
        """The label, marked if there are such mattes."""
        return f"{self.label} {FLAT_MARK}" if self.num_flat else self.label


@dataclass(frozen=True)
class Table:
    """A table; ``units`` are by metric, and ``notes`` are sentences below the table."""

    title: str
    metrics: list[str]
    units: dict[str, str]
    rows: list[Row]
    shared: list[str]
    notes: list[str]
    published: list[str]  # metrics that any published row has


def save_definition(sweep: Path, definition: Definition) -> None:
    """Write the definition of a table to the folder of its sweep."""
    text = json.dumps(asdict(definition), indent=2, ensure_ascii=False)
    write_text(sweep / DEFINITION, text + "\n")


def load_definition(sweep: Path) -> Definition:
    """Read the definition of a table.

    Raises:
        GFMError: The file is missing or damaged.
    """
    try:
        return Definition(**json.loads((sweep / DEFINITION).read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise GFMError(
            f"{sweep / DEFINITION} is missing or damaged: repeat the command of the table with "
            "hydra.sweep.dir=<its folder>"
        ) from error


def build_table(sweep: Path) -> Table:
    """Make the table of a sweep from the runs that have results.

    Raises:
        GFMError: The definition or a result is damaged, no run has a result, the runs share no
            photo, or a checkpoint has changed between them.
    """
    definition = load_definition(sweep)
    runs: dict[str, list[Scores]] = {}
    for label, folders in definition.cells.items():
        done = [f for f in folders if (sweep / f / "per_image.csv").is_file()]
        runs[label] = [read_scores(sweep / folder, folder) for folder in done]
    found = [run for cell in runs.values() for run in cell]
    if not found:
        raise GFMError(f"no run of the table in {sweep} has a result yet")
    _check_weights(found)
    comparison = match_runs(found)
    entries = _entries(comparison, [len(cell) for cell in runs.values()], definition.metrics)
    published = {label: _published(definition, label, cell) for label, cell in runs.items()}
    rows = []
    for (label, cell), row in zip(runs.items(), entries, strict=True):
        options, folders = definition.options[label], definition.cells[label]
        flat = sum(map(comparison.num_flat, cell))
        rows.append(Row(label, options, folders, len(cell), row, published[label], flat))
    metrics = [name for name in definition.metrics if name in comparison.metrics]
    units = metric_units(next((run.protocol for run in found if run.protocol), "gfm"))
    notes = [
        *_notes(comparison, rows, metrics),
        *map(_one_line, definition.notes),
        *_sources(definition, published),
    ]
    known = [m for m in metrics if any(m in row.published for row in rows)]
    title = _one_line(definition.title)
    return Table(title, metrics, units, rows, definition.shared, notes, known)


def _one_line(text: str) -> str:
    """Return a text without line breaks, which would end a comment of LaTeX."""
    return " ".join(text.split())


def _check_weights(runs: Sequence[Scores]) -> None:
    """Check that all evaluations of a checkpoint used the same weights."""
    first: dict[str, tuple[str, str]] = {}
    for run in runs:
        weights = (read_settings(run.folder / "journal") or {}).get("checkpoint")
        name = run.config.get("checkpoint")
        if weights is None or name is None:  # a training, or mattes from a folder
            continue
        label, expected = first.setdefault(name, (run.label, weights))
        if weights != expected:
            raise GFMError(
                f"{run.label} and {label} were scored with different weights, because {name} has "
                "changed: repeat the table with a copy of it and hydra.sweep.dir=<new folder>"
            )


def _entries(
    comparison: Comparison, counts: Sequence[int], metrics: Sequence[str]
) -> list[list[Entry]]:
    """Return the entries of each cell; its runs are consecutive in the comparison."""
    shown = [name for name in metrics if name in comparison.metrics]
    columns = [comparison.metrics.index(name) for name in shown]
    is_error = [name in _ERRORS for name in shown]
    values = comparison.shared_values()[:, :, columns]
    cells = np.split(values, np.cumsum(counts)[:-1])  # each runs × photos × metrics
    known = [i for i, cell in enumerate(cells) if len(cell)]
    photos = np.stack([cells[i].mean(axis=0) for i in known])  # cells × photos × metrics
    runs = {i: mean_over_photos(cells[i]) for i in known}  # of each cell, runs × metrics
    means = np.stack([runs[i].mean(axis=0) for i in known])
    rows: list[list[Entry]] = [[] for _ in cells]
    for column, mean in enumerate(means.T):
        best, *others = np.unique(mean[np.isfinite(mean)]).tolist() or [np.nan]
        first = int(np.argmax(mean == best))
        differences = bootstrap_differences((photos - photos[first])[:, :, column].T)
        for i, value, difference in zip(known, mean, differences, strict=True):
            rank = 1 if value == best else 2 if others and value == others[0] else 0
            rank = rank if is_error[column] else 0
            spread = runs[i][:, column]
            deviation = float(spread.std(ddof=1)) if len(spread) > 1 else None
            is_ranked = is_error[column] and bool(np.isfinite(value))
            is_close = is_ranked and rank != 1 and not difference.is_significant
            rows[i].append(Entry(float(value), deviation, rank, is_close))
    return rows


def _published(definition: Definition, label: str, runs: Sequence[Scores]) -> dict[str, float]:
    """Return the published metrics of a cell, if its runs are comparable with them."""
    if label not in definition.published or not runs:
        return {}
    row = find_published(definition.published[label])
    return row.metrics if all(row.describes(run.config) for run in runs) else {}


def _sources(definition: Definition, published: dict[str, dict[str, float]]) -> list[str]:
    rows = [find_published(definition.published[label]) for label, m in published.items() if m]
    return [f"Published: {row.name}: {row.source}." for row in rows]


def _notes(comparison: Comparison, rows: Sequence[Row], metrics: Sequence[str]) -> list[str]:
    num_photos = len(comparison.photos)
    notes = [f"Means over {num_photos} photo{'s' * (num_photos > 1)}; lower is better."]
    if unknown := [name for name in metrics if name not in _ERRORS]:
        notes.append(f"Not ranked, because higher may be better: {', '.join(unknown)}.")
    most = max(row.num_runs for row in rows)
    if most > 1:
        notes.append(f"±: standard deviation over the runs of a cell, {most} at most.")
    else:
        notes.append("One run per cell, so the table does not show how much a seed changes.")
    notes.append("Bold: best; italics: second best.")
    if any(entry.is_close for row in rows for entry in row.entries):
        notes.append(
            "≈: not significantly different from the best; the 95 % interval of the difference, "
            "from a paired bootstrap over photos, includes 0."
        )
    incomplete = [row for row in rows if row.num_runs < len(row.folders)]
    missing = [f"{row.label} ({row.num_runs} of {len(row.folders)})" for row in incomplete]
    if missing:
        notes.append(f"Incomplete, runs with results: {', '.join(missing)}.")
    return notes + comparison.notes(metrics)
