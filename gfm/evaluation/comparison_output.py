"""Prints a comparison of runs on the terminal, and writes it as an HTML page."""

import math
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np
from rich.table import Table
from rich.text import Text

from gfm.errors import GFMError
from gfm.evaluation.comparison import FLAT_MARK, Comparison, ComparisonRow, Difference
from gfm.evaluation.html import write_page
from gfm.system.console import console

_ANY_WIDTH = 100_000  # columns; otherwise rich clips its measurement to the terminal's width


def print_comparison(comparison: Comparison, metric: str, num_photos: int) -> None:
    """Print the runs, their means and differences, and the photos that differ most in a metric.

    If the runs do not fit into the width of the terminal, only the chosen metric is printed.
    """
    out = console()
    for run in comparison.runs:
        label = f"{run.label} {FLAT_MARK}" if comparison.num_flat(run) else run.label
        out.print(Text.assemble((label, "bold"), f"  {run.folder}  {run.name}"))
    for note in comparison.notes():
        out.print(note)
    title = f"{_describe_means(comparison)}, differences with 95 % intervals"
    rows = comparison.rows
    table = _add_rows(_table(comparison, title, "metric"), rows)
    if out.measure(table, options=out.options.update_width(_ANY_WIDTH)).minimum > out.width:
        out.print(_table_by_run(comparison, f"{metric}, {title}", metric, rows))
        out.print("--metric chooses the metric of this table; the page has all metrics and photos.")
        return
    out.print(table)
    if comparison.test_sets():
        table = _table(comparison, f"{metric} by test set", "test set")
        out.print(_add_rows(table, comparison.by_test_set(metric)))
    if num_photos:
        out.print(_photo_table(comparison, metric, num_photos))


def _table(comparison: Comparison, title: str, first: str) -> Table:
    labels = [run.label for run in comparison.runs]
    names = [*labels, *(f"{label} - {labels[0]}" for label in labels[1:])]
    return _empty_table(title, first, names)


def _empty_table(title: str, first: str, others: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _add_rows(table: Table, rows: Iterable[ComparisonRow]) -> Table:
    for name, means, differences in rows:
        table.add_row(name, *map(_number, means), *map(_styled_interval, differences))
    return table


def _table_by_run(
    comparison: Comparison, title: str, metric: str, rows: Iterable[ComparisonRow]
) -> Table:
    """Return a row for each of many runs: its means in one metric, and its difference."""
    _, means, differences = next(row for row in rows if row[0] == metric)
    sets = {name: values for name, values, _ in comparison.by_test_set(metric)}
    columns = ["mean", f"difference from {comparison.runs[0].label}", *sets]
    table = _empty_table(title, "run", columns)
    intervals = [Text(), *map(_styled_interval, differences)]
    for i, run in enumerate(comparison.runs):
        of_sets = (_number(values[i]) for values in sets.values())
        table.add_row(run.label, _number(means[i]), intervals[i], *of_sets)
    return table


def _describe_means(comparison: Comparison) -> str:
    """Describe what the means are taken over."""
    sets, photos = len(comparison.test_sets()), f"{len(comparison.photos)} photos"
    return f"macro means of {sets} test sets ({photos})" if sets else f"means of {photos}"


def _photo_table(comparison: Comparison, metric: str, num_photos: int) -> Table:
    table = _table(comparison, f"photos whose {metric} differs most", "photo")
    values = comparison.values[:, :, comparison.metrics.index(metric)]
    differences = values[1:] - values[0]
    largest = np.nan_to_num(np.abs(differences)).max(axis=0)
    for i in np.argsort(-largest, kind="stable")[:num_photos]:
        texts = ("–" if math.isnan(d) else f"{d:+.3g}" for d in differences[:, i])
        table.add_row(comparison.photos[i], *map(_number, values[:, i]), *texts)
    return table


def check_page(path: Path) -> None:
    """Check that a page about to be written would not replace another kind of file.

    Raises:
        GFMError: The file exists and was not written by :func:`write_comparison`.
    """
    if not path.is_file():
        return
    with suppress(OSError), path.open("rb") as file:
        if b"nonce-compare" in file.read(1000):
            return
    raise GFMError(
        f"{path} exists and was not written by gfm compare: choose another name with --page"
    )


def write_comparison(path: Path, comparison: Comparison) -> None:
    """Write the comparison as one HTML file that needs neither the internet nor other files.

    Raises:
        WriteError: The file cannot be written.
    """
    data = {
        "labels": [run.label for run in comparison.runs],
        "photos": comparison.photos,
        "metrics": comparison.metrics,
        "values": [[_rounded(column) for column in run.T] for run in comparison.values],
    }
    values = {"comparison": comparison, "data": data, "kind": _describe_means(comparison)}
    write_page(path, "compare.html.jinja", **values, number=_number, interval=_interval)


def _rounded(values: np.ndarray) -> list[float | None]:
    # The page subtracts them, so they need more digits than it shows.
    return [float(f"{v:.12g}") if math.isfinite(v) else None for v in values]


def _number(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "–"


def _styled_interval(difference: Difference) -> Text:
    return Text(_interval(difference), "bold" if difference.is_significant else "")


def _interval(difference: Difference) -> str:
    if math.isnan(difference.mean):
        return "–"
    return f"{difference.mean:+.3g} [{difference.low:+.3g}, {difference.high:+.3g}]"
