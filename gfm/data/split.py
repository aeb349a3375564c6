"""Holds photos out of training, for choosing weights and testing, and records the split."""

import csv
import hashlib
import io
import math
import warnings
from collections.abc import Sequence
from pathlib import Path

from gfm.data.layout import Photo
from gfm.errors import GFMError
from gfm.system.files import write_text

HELD_OUT = "held out"
TRAINED = "trained on"
_FEWEST = 2  # minimum for a fraction, because the error of one photo says nothing


def hold_out(
    photos: Sequence[Photo], num_holdout: int | float, split: Path | None = None
) -> tuple[list[Photo], list[Photo]]:
    """Split photos into those that are held out and the others.

    The choice depends only on a hash of the names, so adding photos later hardly changes which
    photos are held out.

    Args:
        photos: Photos of a dataset.
        num_holdout: Number of photos to hold out, or their fraction as a float; a fraction holds
            out at least two.
        split: File of an earlier run, see :func:`write_split`; the same photos are held out
            instead.

    Raises:
        GFMError: There are fewer photos than that, or ``split`` names none of them.
    """
    if split is not None:
        names = read_split(split)
        lost = sorted(names - {photo.name for photo in photos})
        if len(lost) == len(names):
            raise GFMError(
                f"{split} names none of the {len(photos)} photos: set data.split to another file"
            )
        if lost:
            warnings.warn(
                f"{split} holds out photos that do not exist ({len(lost)}), such as {lost[0]}; if "
                "they were renamed, they are trained on",
                stacklevel=2,
            )
    else:
        names = _choose(photos, num_holdout)
    return [p for p in photos if p.name in names], [p for p in photos if p.name not in names]


def _choose(photos: Sequence[Photo], num_holdout: int | float) -> set[str]:
    number = num_holdout
    if isinstance(num_holdout, float):
        number = min(max(math.ceil(num_holdout * len(photos)), _FEWEST), len(photos))
        number = number if num_holdout else 0
    if not 0 <= number <= len(photos):
        raise GFMError(
            f"data.num_holdout={num_holdout}: hold out at most all of the {len(photos)} training "
            "photos"
        )
    by_hash = sorted(photos, key=lambda photo: hashlib.sha256(photo.name.encode()).digest())
    return {photo.name for photo in by_hash[: int(number)]}


def write_split(path: Path, held_out: Sequence[Photo], trained: Sequence[Photo]) -> None:
    """Write which photos are held out and which are trained on, as CSV: ``name,part``."""
    parts = {photo.name: HELD_OUT for photo in held_out}
    parts |= {photo.name: TRAINED for photo in trained}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([("name", "part"), *sorted(parts.items())])
    write_text(path, text.getvalue())


def read_split(path: Path, part: str = HELD_OUT) -> set[str]:
    """Return the names of the photos in one part of a file of :func:`write_split`.

    Raises:
        GFMError: The file is missing or damaged.
    """
    try:
        # Excel writes a byte order mark to a split that was edited.
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, strict=True))
        return {row["name"] for row in rows if row["part"] == part}
    except OSError as error:
        raise GFMError(f"cannot read {path}: {error.strerror or error}; set data.split") from error
    except (KeyError, ValueError, csv.Error) as error:
        raise GFMError(f"{path} is not a run's split.csv: set data.split to one") from error
