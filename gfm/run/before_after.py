"""Compares the results of a run with those of its initial weights."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.table import Table

from gfm.data.images import read_alpha
from gfm.data.layout import Photo
from gfm.evaluation.comparison import FEW, Difference, bootstrap_differences
from gfm.system.console import console
from gfm.system.files import read_table
from gfm.training.final_test import AFTER, BEFORE

_SHOWN = ("sad", "sad_transition", "mad", "mse", "grad", "conn")


def show_before_and_after(run: Path, units: Mapping[str, str], photos: Sequence[Photo]) -> bool:
    """Print the metrics before and after training, with confidence intervals of the differences.

    Args:
        run: Folder of a run that was validated before its first step and tested at the end.
        units: Units of the metrics by name.
        photos: Photos of the test.

    Returns:
        Whether to suggest using the new weights. False if SAD has clearly increased, or if it is
        no lower than that of an empty or full matte.
    """
    if not (run / BEFORE).is_file() or not (run / AFTER).is_file():
        return True
    before, after = read_table(run / BEFORE), read_table(run / AFTER)
    common = sorted(before.keys() & after.keys())
    names = [name for name in _SHOWN if common and name in before[common[0]]]
    if not names:
        return True
    old, new = (
        np.array([[rows[photo][name] for name in names] for photo in common])
        for rows in (before, after)
    )
    differences = bootstrap_differences(new - old)
    console().print(_table(old, new, differences, names, units))
    console().print(_verdict(differences[0], len(common)))
    trivial = _trivial_sad([photo for photo in photos if photo.name in common])
    is_usable = bool(new[:, 0].mean() < trivial)
    if not is_usable:
        text = f"an empty or full matte has a SAD of {trivial:.5g}: these mattes are not usable"
        console().print(text, style="yellow")
    return is_usable and differences[0].low <= 0


def _table(
    old: np.ndarray,
    new: np.ndarray,
    differences: Sequence[Difference],
    names: Sequence[str],
    units: Mapping[str, str],
) -> Table:
    """Return a table of the means of ``old`` and ``new``, both photos × metrics."""
    title = f"before and after, on {len(old)} photos that were not trained on; lower is better"
    table = Table(title=title, title_justify="left")
    for column in ("metric", "before", "after", "difference", "95 % interval", "unit"):
        table.add_column(column, justify="left" if column in ("metric", "unit") else "right")
    for i, name in enumerate(names):
        values = (f"{np.nanmean(v[:, i]):.5g}" for v in (old, new))
        found = differences[i]
        interval = f"{found.low:+.3g} … {found.high:+.3g}"
        table.add_row(name, *values, f"{found.mean:+.3g}", interval, units.get(name, ""))
    return table


def _verdict(sad: Difference, num_photos: int) -> str:
    """Say whether a run lowered SAD, and whether there are enough photos to tell."""
    if sad.high < 0:
        text = "SAD is lower than before"
    elif sad.low > 0:
        text = "SAD is higher than before: keep the old weights, or lower optimizer.lr"
    else:
        text = "no better than before: the interval of the difference of SAD includes 0"
    if num_photos < FEW:
        text += f"; {num_photos} photos are too few to be sure, so hold out more if you can"
    return text


def _trivial_sad(photos: Sequence[Photo]) -> float:
    """Return the mean SAD, in thousands, of the better of an empty and a full matte."""
    opaque = np.array([_opaque_pixels(photo) for photo in photos])  # photos × (opaque, all)
    empty, full = opaque[:, 0].mean(), (opaque[:, 1] - opaque[:, 0]).mean()
    return float(min(empty, full)) / 1000


def _opaque_pixels(photo: Photo) -> tuple[float, float]:
    alpha = read_alpha(photo.alpha, photo.is_cutout)
    return float(alpha.sum(dtype=np.float64)) / 255, float(alpha.size)
