"""Datasets with files that are not pictures, in every command that reads them."""

from functools import partial
from pathlib import Path

import pytest

from tests.reliability import pictures
from tests.reliability.rows import Row, check
from tests.reliability.sound import dataset, folder_set
from tests.reliability.test_bad_configs import TRAIN

AM2K = ("data=am2k", "paths.am2k={here}/am2k", "paths.bg20k={here}/bg20k")
ONE = ("--workers", "1")
TRAIN_HERE = (
    *(w for w in TRAIN if not w.startswith(("paths.am2k", "paths.bg20k", "data=", "track="))),
    *AM2K,
)

EVALUATE_HERE = (
    *("evaluate", "data=folder", "data.root={here}/set"),
    *("predictions={here}/mattes", "paths.run={here}/run"),
)
ALL = (*pictures.CONTENT, *pictures.NO_FILE)
ALPHAS = ("run/alpha/*",)

PLACES = (
    ("am2k/validation/original/a.jpg", ("check", *AM2K, *ONE), ()),
    ("am2k/validation/mask/a.png", ("check", *AM2K, *ONE), ()),
    (
        "am2k/train/mask/a.png",
        ("prepare", "pack", *AM2K, *ONE, "--out", "{here}/out"),
        ("out/**/*",),
    ),
    (
        "am2k/train/original/a.jpg",
        ("prepare", "denoise", *AM2K, *ONE, "--only", "original"),
        ("am2k/train/original_denoise/*",),
    ),
    (
        "am2k/validation/mask/a.png",
        ("prepare", "trimaps", *AM2K, *ONE),
        ("am2k/validation/trimap/*",),
    ),
    (
        "am2k/train/original/a.jpg",
        ("prepare", "foregrounds", *AM2K, *ONE, "--method", "ml"),
        ("am2k/train/[fb]g/*",),
    ),
    ("am2k/train/original/a.jpg", (*TRAIN_HERE, "track=ori"), ()),
    ("am2k/train/mask/a.png", (*TRAIN_HERE, "track=ori"), ()),
    ("bg20k/train/a.jpg", (*TRAIN_HERE, "track=comp_rssn"), ()),
    ("set/images/a.jpg", EVALUATE_HERE, ALPHAS),
    ("set/alphas/a.png", EVALUATE_HERE, ALPHAS),
    ("set/trimaps/a.png", EVALUATE_HERE, ALPHAS),
)
"""The damaged file, the command that reads it, and the files that it may leave."""


def spoil(place: str, what: str, here: Path) -> None:
    """Copy valid data and damage one file, or all backgrounds, which are drawn at random."""
    dataset(here)
    folder_set(here)
    pictures.put(here / place, what)
    if "bg20k" in place:
        pictures.put(here / "bg20k/train/b.jpg", what)


FEW = ("text", "20000×20000 in a header", "loop of links", "named pipe")

ROWS = [
    Row(
        f"{place}: {what}", "picture", command, (place,), partial(spoil, place, what), leaves=leaves
    )
    for place, command, leaves in PLACES
    for what in (ALL if command[0] == "check" else FEW)
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_bad_datasets(row, tmp_path, shared, capfd):
    check(row, tmp_path, shared, capfd)
