"""Prints a comparison of runs on the terminal."""

import numpy as np
from rich.markup import escape
from rich.table import Table

from gfm.evaluation.comparison import Comparison, interval, number
from gfm.system.console import console


def show(comparison: Comparison, metric: str, num_photos: int) -> None:
    """Print the runs, their means and differences, and the photos that differ most.

    Args:
        comparison: Comparison to print.
        metric: Metric in which the listed photos differ.
        num_photos: Number of listed photos.
    """
    out = console()
    for run in comparison.runs:
        text = f"[bold]{run.label}[/]  {escape(str(run.folder))}  {run.name}"
        out.print(text, highlight=False)
    if comparison.left_out:
        out.print(f"{comparison.left_out} photos that some of the runs lack are left out")
    out.print(_metrics(comparison))
    if num_photos:
        out.print(_photos(comparison, metric, num_photos))


def _table(comparison: Comparison, title: str, first: str) -> Table:
    labels = [run.label for run in comparison.runs]
    table = Table(title=title, title_justify="left")
    table.add_column(first)
    for name in (*labels, *(f"{label} - {labels[0]}" for label in labels[1:])):
        table.add_column(name, justify="right")
    return table


def _metrics(comparison: Comparison) -> Table:
    title = f"means of {len(comparison.photos)} photos, differences with 95 % intervals"
    table = _table(comparison, title, "metric")
    means, differences = comparison.means(), comparison.differences()
    for i, metric in enumerate(comparison.metrics):
        own = [d[i] for d in differences]
        shown = [f"[bold]{interval(d)}[/]" if d.is_sure else interval(d) for d in own]
        shown = [text.replace("[+", r"\[+").replace("[-", r"\[-") for text in shown]
        table.add_row(metric, *(number(mean) for mean in means[:, i]), *shown)
    return table


def _photos(comparison: Comparison, metric: str, num_photos: int) -> Table:
    table = _table(comparison, f"photos whose {metric} differs most", "photo")
    values = comparison.values[:, :, comparison.metrics.index(metric)]
    most = np.nan_to_num(np.abs(values[1:] - values[0])).max(axis=0)
    for i in np.argsort(-most, kind="stable")[:num_photos]:
        own = values[:, i]
        differences = [f"{value:+.3g}" for value in own[1:] - own[0]]
        table.add_row(escape(comparison.photos[i]), *map(number, own), *differences)
    return table
