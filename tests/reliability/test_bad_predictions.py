"""Bad mattes of another method, and bad folders to write to or to resume from."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.reliability import pictures
from tests.reliability.rows import Row, check
from tests.reliability.sound import SIDE, folder_set, matte, photo, save
from tests.reliability.test_bad_configs import EVALUATE, TRAIN

SCORE = (*EVALUATE, "predictions={here}/mattes")
RESULTS = ("run/*", "run/alpha/*")  # of the other matte


def mattes(spoil: Callable[[Path], None], here: Path) -> None:
    """Copy valid mattes and damage one of them."""
    folder_set(here)
    spoil(here / "mattes")


def missing(folder: Path) -> None:
    (folder / "a.png").unlink()


def all_missing(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def other_names(folder: Path) -> None:
    for path in folder.iterdir():
        path.rename(folder / f"{path.stem}_matte.png")


def other_format(folder: Path) -> None:
    for path in list(folder.iterdir()):
        path.rename(path.with_suffix(".txt"))


def in_colour(folder: Path) -> None:
    save(folder / "a.png", photo())


def of_floats(folder: Path) -> None:
    (folder / "a.png").write_bytes(
        pictures.encoded(np.full((SIDE, SIDE), np.nan, np.float32), "TIFF")
    )


def odd_name(folder: Path) -> None:
    save(folder / "c.png", matte())
    (folder / "c.png").rename(f"{folder}/\udcff.png")


def no_folder(folder: Path) -> None:
    all_missing(folder)
    folder.rmdir()


def a_file(folder: Path) -> None:
    no_folder(folder)
    folder.write_text("")


def content(what: str, folder: Path) -> None:
    pictures.put(folder / "a.png", what)


ROWS = [
    Row(name, "predictions", SCORE, says, partial(mattes, spoil), leaves=leaves)
    for name, spoil, says, leaves in (
        ("a matte missing", missing, ("1 of 2 mattes are missing", "allow_missing"), RESULTS),
        ("all missing", all_missing, ("it holds nothing", "a.png"), ()),
        ("other names", other_names, ("it holds a_matte.png and b_matte.png", "a.png"), ()),
        ("other format", other_format, ("it holds a.txt and b.txt",), ()),
        ("photo for a matte", in_colour, ("a.png is in colour",), RESULTS),
        ("matte of floats that are no number", of_floats, ("a.png",), RESULTS),
        ("name that is not UTF-8", odd_name, ("not UTF-8",), ()),
        ("no such folder", no_folder, ("no folder", "predictions="), ()),
        ("file for a folder", a_file, ("no folder", "predictions="), ()),
    )
]
SPOILS = {what: partial(content, what) for what in (*pictures.CONTENT, *pictures.NO_FILE)}
ROWS += [
    Row(what, "predictions", SCORE, ("a.png",), partial(mattes, spoil), leaves=RESULTS)
    for what, spoil in SPOILS.items()
]


def in_run(name: str, text: str, here: Path) -> None:
    """Write a file into the folder that is given to the run."""
    path = here / "run" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def run_is_file(here: Path) -> None:
    (here / "run").write_text("mine")


def run_in_file(here: Path) -> None:
    (here / "file").write_text("mine")


def run_is_link(here: Path) -> None:
    (here / "run").symlink_to("nowhere/at/all")


SOUND = (*EVALUATE, "predictions={shared}/mattes")
for _command in (SOUND, TRAIN):
    _in_file = (*_command, "paths.run={here}/file/run")
    _among_runs = (*(w for w in _command if "paths.run=" not in w), "paths.runs={here}/file")
    ROWS += [
        Row(f"folder of {name}", "path", command, says, make)
        for name, command, says, make in (
            ("the run is a file", _command, ("run", "paths.run="), run_is_file),
            ("the run in a file", _in_file, ("file/run", "paths.run="), run_in_file),
            ("the run is a dangling link", _command, ("run", "paths.run="), run_is_link),
            ("runs is a file", _among_runs, ("file",), run_in_file),
        )
    ]
ROWS += [
    Row(f"journal {name}", "results", SOUND, says, partial(in_run, "journal/settings.json", text))
    for name, text, says in (
        ("of other settings", '{"data": "x"}', ("different settings", "paths.run")),
        ("that is text", "text", ("settings.json",)),
        ("that is a list", "[1]", ("settings.json",)),
    )
]
RESUME = (*TRAIN, "ckpt_path={here}/run")
ROWS += [
    Row(name, "path", RESUME, (says,), partial(in_run, ".hydra/overrides.yaml", text))
    for name, text, says in (
        ("run to go on from without checkpoint", "[seed=0]", "run"),
        ("run whose options are text", "text", "overrides.yaml"),
        ("run whose options are broken", "[a", "overrides.yaml"),
        ("run whose options are a table", "a: 1", "overrides.yaml"),
        ("run whose options are malformed", "['seed==1']", "seed==1"),
    )
]
ROWS += [
    Row(name, "path", (*TRAIN, *options), (says,))
    for name, options, says in (
        ("folder without a run", ["ckpt_path={shared}"], "not the folder of a run"),
        ("no run to go on from", ["ckpt_path=last", "paths.runs={here}"], "ckpt_path=last"),
        ("no such checkpoint to go on from", ["ckpt_path={here}/no.ckpt"], "no checkpoint"),
        ("no such checkpoint to start from", ["init_from={here}/no.ckpt"], "no checkpoint"),
    )
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_bad_predictions(row, tmp_path, shared, capfd):
    check(row, tmp_path, shared, capfd)
