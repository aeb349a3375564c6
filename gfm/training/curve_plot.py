"""Plots the curves of a run, for runs without a dashboard."""

from collections import defaultdict
from itertools import accumulate
from pathlib import Path
from typing import Any

from gfm.system.files import atomic_path
from gfm.training.loggers.csv import read_rows

_Curves = dict[str, tuple[list[float], list[float]]]


def read_curves(path: Path) -> _Curves:
    """Read the steps and values of each column of ``metrics.csv``, sorted by name."""
    curves: _Curves = defaultdict(lambda: ([], []))
    for row in read_rows(path):
        for name in row.keys() - {"step", "epoch"}:
            curves[name][0].append(float(row["step"]))
            curves[name][1].append(float(row[name]))
    return dict(sorted(curves.items()))


def _smooth(values: list[float]) -> list[float]:
    """Average each value with the values before it, over a fiftieth of the curve."""
    sums = [0.0, *accumulate(values)]
    width = max(1, len(values) // 50)
    starts = [max(0, end - width) for end in range(1, len(sums))]
    return [(sums[end] - sums[start]) / (end - start) for end, start in enumerate(starts, start=1)]


def draw_curves(source: Path, target: Path) -> bool:
    """Plot the loss terms in one panel, and each validation metric in a separate one.

    Reads ``metrics.csv`` and writes PNG; returns whether there was anything to draw.

    Raises:
        WriteError: The picture cannot be written.
    """
    from matplotlib.figure import Figure  # slow to import, and needed only at the end

    curves = read_curves(source)
    losses = {n.split("/")[1]: c for n, c in curves.items() if n.startswith("train/loss")}
    panels = {"loss": losses} if losses else {}
    panels |= {name: {name: c} for name, c in curves.items() if name.startswith("val/")}
    if not panels:
        return False
    columns = min(4, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4 * columns, 3 * rows), layout="constrained")
    for index, (title, lines) in enumerate(panels.items()):
        _draw_panel(figure.add_subplot(rows, columns, index + 1), title, lines)
    with atomic_path(target) as aside:
        figure.savefig(aside, format="png", dpi=110)
    return True


def _draw_panel(axes: Any, title: str, curves: _Curves) -> None:
    for label, (steps, values) in curves.items():
        axes.plot(steps, _smooth(values), label=label, marker="." if len(steps) < 30 else None)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("step", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)
    if title == "loss":
        axes.set_yscale("log")
        axes.legend(fontsize=6)
    else:
        axes.set_ylim(bottom=0)
