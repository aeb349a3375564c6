"""Photos, options and places that ``gfm predict`` cannot use."""

from functools import partial
from pathlib import Path

import pytest

from tests.reliability import pictures
from tests.reliability.rows import Row, check, out_is_a_file
from tests.reliability.sound import photo, save

PREDICT = (
    "predict",
    "--checkpoint",
    "{shared}/net.ckpt",
    "-o",
    "{here}/out",
    "--device",
    "cpu",
    "--inference",
    "native",
    "--output",
    "alpha",
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
ROWS += [
    Row(
        f"{what} among sound photos",
        "picture",
        (*PREDICT, "{here}/photos"),
        ("a.jpg",),
        partial(in_folder, what),
        leaves=OUT,
    )
    for what in ("text", "dangling link", "20000×20000 in a header", "named pipe")
]
ROWS += [
    Row(
        f"{what} as background",
        "picture",
        (*PREDICT, PHOTO, "--background", "{here}/a.jpg"),
        ("a.jpg",),
        partial(put, what),
    )
    for what in (
        "text",
        "20000×20000 in a header",
        "named pipe",
        "dangling link",
        "folder of that name",
    )
]
ROWS += [
    Row("no such photo", "path", (*PREDICT, "{here}/none.jpg"), ("no file or folder", "none.jpg")),
    Row("empty folder", "path", (*PREDICT, "{here}/photos"), ("no photos or clips in",), nothing),
    Row("pattern without a match", "path", (*PREDICT, "{here}/*.jpg"), ("no file matches",)),
    Row(
        "two photos of one name",
        "path",
        (*PREDICT, "{here}/photos"),
        ("all would write",),
        two,
    ),
    Row("name that is not UTF-8", "path", (*PREDICT, "{here}/photos"), ("not UTF-8",), odd_name),
    Row("place that is a file", "path", (*PREDICT, PHOTO), ("cannot write",), out_is_a_file),
    Row("no name", "path", (*PREDICT, ""), ("",)),
    Row("bits of 12", "option", (*PREDICT, PHOTO, "--bits", "12"), ("--bits 12: choose 8 or 16",)),
    Row("unknown output", "option", (*PREDICT, PHOTO, "--output", "mask"), ("--output mask",)),
    Row("no output", "option", (*PREDICT, PHOTO, "--output", ""), ("--output",)),
    Row(
        "composite on nothing",
        "option",
        (*PREDICT, PHOTO, "--output", "composite"),
        ("--background",),
    ),
    Row("unknown colour", "option", (*PREDICT, PHOTO, "--background", "blueish"), ("blueish",)),
    Row("unknown inference", "option", (*PREDICT, PHOTO, "--inference", "twice"), ("twice",)),
    Row("unknown device", "option", (*PREDICT, PHOTO, "--device", "tpu9"), ("tpu9",)),
    Row("device that is not there", "option", (*PREDICT, PHOTO, "--device", "cuda:7"), ("cuda:7",)),
    Row("device meta", "option", (*PREDICT, PHOTO, "--device", "meta"), ("meta",)),
    Row("device of nothing", "option", (*PREDICT, PHOTO, "--device", ""), ("device",)),
    Row("unknown branch", "option", (*PREDICT, PHOTO, "--branch", "ft"), ("no branch 'ft'",)),
    Row(
        "negative size", "option", (*PREDICT, PHOTO, "--max-size", "-1"), ("--max-size",), status=2
    ),
    Row(
        "size as text", "option", (*PREDICT, PHOTO, "--max-size", "big"), ("--max-size",), status=2
    ),
    Row(
        "precision of 8",
        "option",
        (*PREDICT, PHOTO, "--precision", "8"),
        ("--precision",),
        status=2,
    ),
    Row("unknown option", "option", (*PREDICT, PHOTO, "--fast"), ("--fast",), status=2),
    Row(
        "no checkpoint",
        "option",
        ("predict", PHOTO, "-o", "{here}/out"),
        ("--checkpoint",),
        status=2,
    ),
    Row(
        "no such checkpoint",
        "checkpoint",
        (*PREDICT, PHOTO, "--checkpoint", "{here}/no.ckpt"),
        ("no checkpoint", "no.ckpt"),
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_bad_predict(row, tmp_path, shared, capfd):
    check(row, tmp_path, shared, capfd)
