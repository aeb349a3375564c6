"""Plots the curves of a run, for runs without a dashboard."""

import csv
from collections import defaultdict
from itertools import accumulate
from pathlib import Path

from gfm.system.files import atomic_path

_Curve = tuple[list[float], list[float]]


def read_curves(path: Path) -> dict[str, _Curve]:
    """Read the steps and values of each column of ``metrics.csv``, in the order of the file.

    Args:
        path: CSV file with a column ``step``, and empty cells where nothing was logged.
    """
    curves: dict[str, _Curve] = defaultdict(lambda: ([], []))
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            for name, text in row.items():
                if text and name not in ("step", "epoch"):
                    curves[name][0].append(float(row["step"]))
                    curves[name][1].append(float(text))
    return dict(curves)


def _smooth(values: list[float]) -> list[float]:
    """Average each value with the values before it, over a fiftieth of the curve."""
    sums = [0.0, *accumulate(values)]
    width = max(1, len(values) // 50)
    starts = [max(0, end - width) for end in range(1, len(sums))]
    return [(sums[end] - sums[start]) / (end - start) for end, start in enumerate(starts, start=1)]


def draw_curves(source: Path, target: Path) -> bool:
    """Plot the loss terms in one panel, and each validation metric in a separate one.

    Args:
        source: ``metrics.csv`` of a run.
        target: PNG file to write.

    Returns:
        Whether there was anything to draw.

    Raises:
        WriteError: The picture cannot be written.
    """
    from matplotlib.figure import Figure  # slow to import, and needed only at the end

    curves = read_curves(source)
    losses = {n.split("/")[1]: c for n, c in curves.items() if n.startswith("train/loss")}
    metrics = {n: c for n, c in curves.items() if n.startswith("val/")}
    panels = [("loss", losses)] if losses else []
    panels += [(name, {name: curve}) for name, curve in metrics.items()]
    if not panels:
        return False
    columns = min(4, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4 * columns, 3 * rows), layout="constrained")
    for index, (title, lines) in enumerate(panels):
        axes = figure.add_subplot(rows, columns, index + 1)
        for label, (steps, values) in lines.items():
            values = _smooth(values)
            axes.plot(steps, values, label=label, marker="." if len(steps) < 30 else None)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("step", fontsize=8)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.3)
        if title == "loss":
            axes.set_yscale("log")
            axes.legend(fontsize=6)
        else:
            axes.set_ylim(bottom=0)
    with atomic_path(target) as aside:
        figure.savefig(aside, format="png", dpi=110)
    return True
