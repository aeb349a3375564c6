"""Writes the results on several test sets: a row for each, and macro means."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

from gfm.errors import GFMError
from gfm.evaluation.html import write_page
from gfm.system.files import read_table, write_table, write_text

MEAN = "macro mean"
"""Name of the row that holds the means over test sets."""

FILE = "test_sets.csv"
"""Table in the folder of an evaluation on several test sets."""

Summary = Mapping[str, float]


def check_folder(folder: Path, has_several: bool) -> None:
    """Check that results on several test sets and on one do not replace each other.

    Raises:
        GFMError: The folder holds the other kind of evaluation.
    """
    other = folder / ("journal" if has_several else FILE)
    if other.exists():
        number = "one test set" if has_several else "several test sets"
        raise GFMError(f"{folder} holds an evaluation on {number}: set paths.run to a new folder")


def read_test_sets(folder: Path) -> list[str]:
    """Return the names of the test sets of an evaluation; none if it had only one.

    Raises:
        GFMError: Their table is damaged.
    """
    table = folder / FILE
    return [name for name in read_table(table) if name != MEAN] if table.is_file() else []


def write_metrics(folder: Path, summary: Summary) -> None:
    """Write ``metrics.json``, with null for a metric without a finite value."""
    known = {name: value if math.isfinite(value) else None for name, value in summary.items()}
    write_text(folder / "metrics.json", json.dumps(known, indent=2) + "\n")


def macro_means(summaries: Mapping[str, Summary]) -> dict[str, float]:
    """Return the mean of each metric over test sets, and the total of ``num_images``.

    Test sets have equal weights: a mean over all photos would mostly reflect the largest set.
    """
    rows = list(summaries.values())
    means = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
    return {**means, "num_images": sum(row["num_images"] for row in rows)}


def write_test_sets(
    folder: Path,
    summaries: Mapping[str, Summary],
    facts: Mapping[str, str],
    units: Mapping[str, str],
) -> tuple[dict[str, Summary], dict[str, float]]:
    """Write ``test_sets.csv``, ``report.html`` and, last, ``metrics.json``.

    Args:
        folder: Folder of the evaluation, with a sub-folder named after each test set.
        summaries: Content of ``metrics.json`` of each test set.
        facts: What was evaluated and how, for the report.
        units: Units by metric.

    Returns:
        The rows of the table, and the content of ``metrics.json``: the means over test sets, and
        the metrics of each as ``<test set>/<metric>``.
    """
    means = macro_means(summaries)
    rows: dict[str, Summary] = {**summaries, MEAN: means}
    write_table(folder / FILE, rows)
    values = {"rows": rows, "mean": MEAN, "facts": facts, "units": units}
    write_page(folder / "report.html", "test_sets.html.jinja", **values)
    of_sets = {f"{name}/{key}": v for name, row in summaries.items() for key, v in row.items()}
    summary = {**means, **of_sets}
    write_metrics(folder, summary)
    return rows, summary
