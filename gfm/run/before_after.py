"""Compares the results of a run with those of the weights that it started from."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from rich.table import Table

from gfm.evaluation.comparison import Difference, bootstrap_differences
from gfm.evaluation.journal import Rows
from gfm.system.console import console
from gfm.system.files import read_table
from gfm.training.final_test import AFTER, BEFORE

_FEW = 10  # photos below which a mean says little
_SHOWN = ("sad", "sad_transition", "mse", "grad", "conn")


def show_before_and_after(run: Path, units: Mapping[str, str]) -> None:
    """Print the metrics before and after training, with the interval of their difference.

    Args:
        run: Folder of a run that was validated before its first step and tested at the end.
        units: Units of the metrics by name.
    """
    if not (run / BEFORE).is_file() or not (run / AFTER).is_file():
        return
    before, after = read_table(run / BEFORE), read_table(run / AFTER)
    photos = sorted(before.keys() & after.keys())
    names = [name for name in _SHOWN if photos and name in before[photos[0]]]
    if not names:
        return
    old, new = (_values(rows, photos, names) for rows in (before, after))
    differences = bootstrap_differences(new - old)
    title = f"before and after, on {len(photos)} photos that were not trained on"
    table = Table(title=title, title_justify="left")
    for column in ("metric", "before", "after", "difference", "95 % interval", "unit"):
        table.add_column(column, justify="left" if column in ("metric", "unit") else "right")
    for i, name in enumerate(names):
        values = (f"{np.nanmean(v[:, i]):.5g}" for v in (old, new))
        found = differences[i]
        interval = f"{found.low:+.3g} … {found.high:+.3g}"
        table.add_row(name, *values, f"{found.mean:+.3g}", interval, units.get(name, ""))
    console().print(table)
    console().print(_verdict(differences[0], len(photos)), highlight=False)


def _values(rows: Rows, photos: list[str], names: list[str]) -> np.ndarray:
    return np.array([[rows[photo][name] for name in names] for photo in photos])


def _verdict(sad: Difference, num_photos: int) -> str:
    """Say whether a run lowered SAD, and whether there are enough photos to tell."""
    if sad.high < 0:
        text = "better than before"
    elif sad.low > 0:
        text = "worse than before: keep the old weights, or lower optimizer.lr"
    else:
        text = "no better than before: the interval of the difference includes 0"
    if num_photos < _FEW:
        text += f"; {num_photos} photos are too few to be sure, so hold out more if you can"
    return text
