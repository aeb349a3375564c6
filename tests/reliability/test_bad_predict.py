"""Photos, options and places that ``gfm predict`` cannot use."""

from functools import partial
from pathlib import Path

import pytest

from tests.reliability import pictures
from tests.reliability.rows import Row, check, out_is_a_file
from tests.reliability.sound import photo, save

PREDICT = (
    *("predict", "--checkpoint", "{shared}/net.ckpt", "-o", "{here}/out", "--device", "cpu"),
    *("--inference", "native", "--output", "alpha"),
)
PHOTO = "{shared}/photo.png"
OUT = ("out/alpha/*",)


def put(what: str, here: Path) -> None:
    pictures.put(here / "a.jpg", what)


def in_folder(what: str, here: Path) -> None:
    pictures.put(here / "photos/a.jpg", what)
    save(here / "photos/b.jpg", photo())


def nothing(here: Path) -> None:
    (here / "photos").mkdir()


def two(here: Path) -> None:
    save(here / "photos/a.jpg", photo())
    save(here / "photos/a.png", photo())


def odd_name(here: Path) -> None:
    save(here / "photos/b.jpg", photo())
    (here / "photos/b.jpg").rename(str(here / "photos") + "/\udcff.jpg")


ROWS = [
    Row(f"{what}", "picture", (*PREDICT, "{here}/a.jpg"), ("a.jpg",), partial(put, what))
    for what in (*pictures.CONTENT, *pictures.NO_FILE)
]
FEW = ("text", "20000×20000 in a header", "named pipe", "dangling link")
ROWS += [
    Row(
        f"{what} among sound photos",
        "picture",
        (*PREDICT, "{here}/photos"),
        ("a.jpg",),
        partial(in_folder, what),
        leaves=OUT,
    )
    for what in FEW
]
BACKGROUND = (*PREDICT, PHOTO, "--background", "{here}/a.jpg")
ROWS += [
    Row(f"{what} as background", "picture", BACKGROUND, ("a.jpg",), partial(put, what))
    for what in (*FEW, "folder of that name")
]
ROWS += [
    Row("no such photo", "path", (*PREDICT, "{here}/none.jpg"), ("no file or folder", "none.jpg")),
    Row("empty folder", "path", (*PREDICT, "{here}/photos"), ("no photos or clips in",), nothing),
    Row("pattern without a match", "path", (*PREDICT, "{here}/*.jpg"), ("no file matches",)),
    Row("two photos of one name", "path", (*PREDICT, "{here}/photos"), ("all would write",), two),
    Row("name that is not UTF-8", "path", (*PREDICT, "{here}/photos"), ("not UTF-8",), odd_name),
    Row("place that is a file", "path", (*PREDICT, PHOTO), ("cannot write",), out_is_a_file),
    Row("no name", "path", (*PREDICT, ""), ("",)),
    Row("no output", "option", (*PREDICT, PHOTO, "--output", ""), ("--output",)),
    Row("device of nothing", "option", (*PREDICT, PHOTO, "--device", ""), ("device",)),
]
ROWS += [
    Row(name, "option", (*PREDICT, PHOTO, *words.split()), (says,))
    for name, words, says in (
        ("bits of 12", "--bits 12", "--bits 12: choose 8 or 16"),
        ("unknown output", "--output mask", "--output mask"),
        ("composite on nothing", "--output composite", "--background"),
        ("unknown colour", "--background blueish", "blueish"),
        ("unknown inference", "--inference twice", "twice"),
        ("unknown device", "--device tpu9", "tpu9"),
        ("device that is not there", "--device cuda:7", "cuda:7"),
        ("device meta", "--device meta", "meta"),
        ("unknown branch", "--branch ft", "no branch 'ft'"),
    )
]
ROWS += [
    Row(name, "option", (*PREDICT, PHOTO, *words.split()), (words.split()[0],), status=2)
    for name, words in (
        ("negative size", "--max-size -1"),
        ("size as text", "--max-size big"),
        ("precision of 8", "--precision 8"),
        ("unknown option", "--fast"),
    )
]
NO_OPTION = ("predict", PHOTO, "-o", "{here}/out")
NO_FILE = (*PREDICT, PHOTO, "--checkpoint", "{here}/no.ckpt")
ROWS += [
    Row("no checkpoint", "option", NO_OPTION, ("--checkpoint",), status=2),
    Row("no such checkpoint", "checkpoint", NO_FILE, ("no checkpoint", "no.ckpt")),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_bad_predict(row, tmp_path, shared, capfd):
    check(row, tmp_path, shared, capfd)
