"""Plots the curves of a run, for runs without a dashboard."""

import math
from collections import defaultdict
from itertools import accumulate
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from gfm.metrics import METRIC_NAMES
from gfm.system.files import atomic_path
from gfm.training.loggers.csv import read_rows

_Curves = dict[str, tuple[list[float], list[float]]]

_REGIONS = {"transition": "#f2a65a", "foreground": "#7fb069", "background": "#6c9bd2"}
_BEST = "#b02a30"
_KNOWN = {f"val/{name}" for names in METRIC_NAMES.values() for name in names}


class Best(NamedTuple):
    """The best validation of a run: the metric that selects weights, its step and its value."""

    name: str
    step: float
    value: float


def read_curves(path: Path) -> _Curves:
    """Read each column of ``metrics.csv``, and the number of steps completed at each value.

    Lightning numbers steps from 0, so one is added, except for a validation before training.

    Returns:
        The steps and the values of each column, sorted by column name.
    """
    curves: _Curves = defaultdict(lambda: ([], []))
    for index, row in enumerate(read_rows(path)):
        step = float(row["step"]) + 1
        if index == 0 and step == 1 and "best" not in row and any(n in row for n in _KNOWN):
            step = 0.0  # validated before training
        for name in row.keys() - {"step", "epoch"}:
            curves[name][0].append(step)
            curves[name][1].append(float(row[name]))
    return dict(sorted(curves.items()))


def _smooth(values: list[float]) -> list[float]:
    """Return a trailing moving average over a fiftieth of the curve."""
    sums = [0.0, *accumulate(values)]
    width = max(1, len(values) // 50)
    starts = [max(0, end - width) for end in range(1, len(sums))]
    return [(sums[end] - sums[start]) / (end - start) for end, start in enumerate(starts, start=1)]


def find_best(curves: _Curves, objective: str, mode: str) -> Best | None:
    """Return the best value of a metric during training; ``None`` if it has none."""
    steps, values = curves.get(objective, ([], []))
    trained, _ = curves.get("best", (steps, values))  # without the validation before training
    points = [(s, v) for s, v in zip(steps, values, strict=True) if s in trained]
    points = [(step, value) for step, value in points if not math.isnan(value)]
    if not points:
        return None
    step, value = (max if mode == "max" else min)(points, key=itemgetter(1))
    return Best(objective, step, value)


def draw_curves(source: Path, target: Path, objective: str = "val/sad", mode: str = "min") -> bool:
    """Plot loss terms, validation metrics, learning rate and speed against the step.

    A line marks the step with the best value of the objective.

    Args:
        source: ``metrics.csv`` of the run.
        target: PNG to write.
        objective: Metric that selects the best weights.
        mode: ``min`` or ``max``.

    Returns:
        ``False`` if there was nothing to plot.

    Raises:
        WriteError: The picture cannot be written.
    """
    from matplotlib.figure import Figure  # slow to import, and needed only at the end

    curves = read_curves(source)
    panels = _panels(curves)
    if not panels:
        return False
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4.4 * columns, 2.9 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, squeeze=False).flat
    best = find_best(curves, objective, mode)
    for area, (title, (draw, chosen)) in zip(axes, panels.items(), strict=False):
        draw(area, chosen)
        area.set_title(title, fontsize=10, loc="left")
        _finish(area, best, objective in chosen)
    for area in list(axes)[len(panels) :]:
        area.set_visible(False)
    with atomic_path(target) as aside:
        figure.savefig(aside, format="png", dpi=110)
    return True


def _panels(curves: _Curves) -> dict[str, tuple[Any, _Curves]]:
    """Return the drawing function and the curves of each panel that has curves, by title."""
    sad = _pick(curves, "val/sad", *(f"val/sad_{region}" for region in _REGIONS))
    per_pixel = "mad" if "val/mad" in curves else "mse"
    error = _pick(curves, f"val/{per_pixel}", f"val/{per_pixel}_transition")
    others = [name for name in curves if name.startswith("val/") and name not in _KNOWN]
    panels = {
        "training loss": (_draw_losses, _pick(curves, *_names_with_prefix(curves, "train/loss"))),
        "SAD (thousands)": (_draw_sad, sad),
        f"{per_pixel.upper()} (per pixel)": (_draw_validation, error),
        "learning rate": (
            _draw_rates,
            _pick(curves, *_names_with_prefix(curves, "train/learning_rate")),
        ),
        "samples per second": (_draw_training, _pick(curves, "train/samples_per_second")),
        "share of time waiting for data": (_draw_training, _pick(curves, "train/data_wait")),
        **{name.removeprefix("val/"): (_draw_validation, _pick(curves, name)) for name in others},
    }
    return {title: panel for title, panel in panels.items() if panel[1]}


def _pick(curves: _Curves, *names: str) -> _Curves:
    return {name: curves[name] for name in names if name in curves}


def _names_with_prefix(curves: _Curves, prefix: str) -> list[str]:
    return [name for name in curves if name.startswith(prefix)]


def _label(name: str) -> str:
    for prefix in ("train/loss_", "train/learning_rate_", "val/mad_", "val/mse_"):
        name = name.removeprefix(prefix)
    return {"val/mad": "whole photo", "val/mse": "whole photo"}.get(name, name.split("/")[-1])


def _draw_losses(axes: Any, curves: _Curves) -> None:
    for name, (steps, values) in curves.items():
        is_total = name == "train/loss"
        style = {"color": "black", "lw": 1.8, "label": "total"} if is_total else {"lw": 1.2}
        axes.plot(steps, _smooth(values), **{"label": _label(name), **style})
    axes.set_yscale("log")
    axes.set_ylim(top=4 * axes.get_ylim()[1])  # space for a legend of nine terms


def _draw_rates(axes: Any, curves: _Curves) -> None:
    for name, (steps, values) in curves.items():
        axes.plot(steps, values, lw=1.4, label=_label(name))
    _start_at_zero(axes)


def _draw_training(axes: Any, curves: _Curves) -> None:
    for name, (steps, values) in curves.items():
        axes.plot(steps, values, lw=0.6, alpha=0.3, color="C0")
        axes.plot(steps, _smooth(values), lw=1.4, label=_label(name), color="C0")
    _start_at_zero(axes)


def _draw_validation(axes: Any, curves: _Curves) -> None:
    for name, (steps, values) in curves.items():
        axes.plot(steps, values, lw=1.4, marker=_marker(steps), label=_label(name))
        _write_values(axes, steps, values)
    if all(value >= 0 for _, values in curves.values() for value in values):
        _start_at_zero(axes)


def _draw_sad(axes: Any, curves: _Curves) -> None:
    """Stack the regions, which add up to SAD."""
    steps, total = curves.get("val/sad", ([], []))
    regions = {r: curves[f"val/sad_{r}"] for r in _REGIONS if f"val/sad_{r}" in curves}
    if regions and len(steps) > 1 and all(own == steps for own, _ in regions.values()):
        values = [values for _, values in regions.values()]
        colors = [_REGIONS[region] for region in regions]
        axes.stackplot(steps, *values, labels=list(regions), colors=colors, alpha=0.75)
    axes.plot(steps, total, lw=1.8, color="black", marker=_marker(steps), label="total")
    _write_values(axes, steps, total)
    _start_at_zero(axes)


def _start_at_zero(axes: Any) -> None:
    """Start the y axis at zero, and leave space for a number above the curves."""
    axes.set_ylim(0, 1.1 * axes.get_ylim()[1])


def _marker(steps: list[float]) -> str | None:
    return "o" if len(steps) < 30 else None


def _write_values(axes: Any, steps: list[float], values: list[float]) -> None:
    """Annotate the points of a curve that has at most four."""
    for step, value in zip(steps, values, strict=True) if len(steps) <= 4 else ():
        place = {"xytext": (0, 6), "textcoords": "offset points", "ha": "center", "fontsize": 8}
        axes.annotate(f"{value:.3g}", (step, value), **place)


def _finish(axes: Any, best: Best | None, has_objective: bool) -> None:
    """Mark the best validation, and label the axes."""
    if best:
        axes.axvline(best.step, color=_BEST, lw=1, ls=":")
    if best and has_objective:
        text = f"best: {best.value:.4g} at step {best.step:.0f}"
        axes.plot(best.step, best.value, "*", color=_BEST, ms=11, label=text)
    axes.set_xlabel("step", fontsize=8)
    axes.tick_params(labelsize=8, labelbottom=True)
    axes.grid(alpha=0.3)
    if len(axes.get_legend_handles_labels()[1]) > 1:
        axes.legend(fontsize=7, loc="best", ncols=2 if axes.get_yscale() == "log" else 1)
