"""Photos, options and places that the file tools and ``gfm predict`` cannot use."""

from functools import partial
from pathlib import Path

import pytest

from tests.reliability import pictures
from tests.reliability.rows import Row, check
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


def a_file(here: Path) -> None:
    (here / "out").write_text("")


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
        ("would both be called",),
        two,
    ),
    Row("name that is not UTF-8", "path", (*PREDICT, "{here}/photos"), ("not UTF-8",), odd_name),
    Row("place that is a file", "path", (*PREDICT, PHOTO), ("cannot write",), a_file),
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
COMPARE = ("compare", "--page", "{here}/page.html")


def run_folder(here: Path, name: str, table: str, config: str = "") -> None:
    (here / name).mkdir()
    (here / name / "per_image.csv").write_text(table)
    if config:
        (here / name / "config.yaml").write_text(config)


def runs(table: bytes | str, config: str, here: Path) -> None:
    run_folder(here, "a", "name,sad\nx,1\n")
    run_folder(here, "b", "")
    (here / "b/per_image.csv").write_bytes(table if isinstance(table, bytes) else table.encode())
    if config:
        (here / "b/config.yaml").write_text(config)


ROWS += [Row("a single run", "results", (*COMPARE, "{here}/a"), ("at least two runs",))]
ROWS += [
    Row(name, "results", (*COMPARE, "{here}/a", "{here}/b"), (says,), partial(runs, table, config))
    for name, table, config, says in (
        ("empty table", "", "", "share no photo or no metric"),
        ("head alone", "name,sad\n", "", "share no photo or no metric"),
        ("text for a number", "name,sad\nx,low\n", "", "per_image.csv"),
        ("no names", "photo,sad\nx,1\n", "", "per_image.csv"),
        ("short line", "name,sad,mse\nx,1\n", "", "per_image.csv"),
        ("long line", "name,sad\nx,1,2\n", "", "per_image.csv"),
        ("no text", b"\xff\xfe\x00\x01", "", "per_image.csv"),
        ("binary zeros", b"name,sad\nx,\x00\n", "", "per_image.csv"),
        ("other photos", "name,sad\ny,1\n", "", "share no photo or no metric"),
        ("other metrics", "name,mse\nx,1\n", "", "share no photo or no metric"),
        ("broken configuration", "name,sad\nx,1\n", "a: [", "config.yaml"),
        ("configuration that is a list", "name,sad\nx,1\n", "[1]", "config.yaml"),
        (
            "configuration that is code",
            "name,sad\nx,1\n",
            "!!python/object/apply:os.system ['touch executed']",
            "config.yaml",
        ),
        ("metrics that are a number", "name,sad\nx,1\n", "metrics: 1", "config.yaml"),
        ("run that is a list", "name,sad\nx,1\n", "run: [1]", "config.yaml"),
    )
]
ROWS += [
    Row(
        "no such run",
        "results",
        (*COMPARE, "{here}/a", "{here}/c"),
        ("c has no per_image.csv",),
        partial(runs, "name,sad\nx,1\n", ""),
    ),
    Row(
        "unknown metric",
        "option",
        (*COMPARE, "{here}/a", "{here}/b", "--metric", "iou"),
        ("no metric iou",),
        partial(runs, "name,sad\nx,1\n", ""),
    ),
    Row(
        "negative photos",
        "option",
        (*COMPARE, "{here}/a", "{here}/b", "--photos", "-1"),
        ("--photos",),
        partial(runs, "name,sad\nx,1\n", ""),
        status=2,
    ),
    Row(
        "page in no folder",
        "path",
        ("compare", "{here}/a", "{here}/b", "--page", "{here}/no/page.html"),
        ("cannot write",),
        partial(runs, "name,sad\nx,1\n", ""),
    ),
]
DEMO = ("demo", "--device", "cpu")
ROWS += [
    Row(
        "no such checkpoint",
        "checkpoint",
        (*DEMO, "--checkpoint", "{here}/no.ckpt"),
        ("no checkpoint",),
    ),
    Row(
        "unknown inference",
        "option",
        (*DEMO, "--checkpoint", "{shared}/net.ckpt", "--inference", "x"),
        ("unknown inference",),
    ),
    Row(
        "port above all",
        "option",
        (*DEMO, "--checkpoint", "{shared}/net.ckpt", "--port", "99999"),
        ("--port",),
        status=2,
    ),
    Row(
        "negative port",
        "option",
        (*DEMO, "--checkpoint", "{shared}/net.ckpt", "--port", "-1"),
        ("--port",),
        status=2,
    ),
    Row(
        "port as text",
        "option",
        (*DEMO, "--checkpoint", "{shared}/net.ckpt", "--port", "http"),
        ("--port",),
        status=2,
    ),
]
for kind, suffix in (("onnx", ".onnx"), ("torch", ".pt2"), ("safetensors", ".safetensors")):
    ROWS += [
        Row(
            "no such checkpoint",
            "checkpoint",
            ("export", kind, "{here}/no.ckpt", "{here}/a" + suffix),
            ("no checkpoint",),
        ),
        Row(
            "other suffix",
            "option",
            ("export", kind, "{shared}/net.ckpt", "{here}/a.bin"),
            ("ends in " + suffix,),
        ),
        Row(
            "place in a file",
            "path",
            ("export", kind, "{shared}/net.ckpt", "{here}/out/a" + suffix),
            ("cannot write",),
            a_file,
        ),
    ]
ROWS += [
    Row(
        "unknown pixels",
        "option",
        ("export", "onnx", "{shared}/net.ckpt", "{here}/a.onnx", "--pixels", "int4"),
        ("int4",),
    ),
    Row(
        "unknown inference",
        "option",
        ("export", "onnx", "{shared}/net.ckpt", "{here}/a.onnx", "--inference", "x"),
        ("unknown inference",),
    ),
    Row(
        "place that is a file",
        "path",
        ("export", "hub", "{shared}/net.ckpt", "{here}/out"),
        ("cannot write",),
        a_file,
    ),
    Row(
        "metrics that are none",
        "results",
        ("export", "hub", "{shared}/net.ckpt", "{here}/hub", "--metrics", "{shared}/net.ckpt"),
        ("no metrics.json",),
    ),
    Row("data that is not there", "option", ("check", "paths.am2k={here}/no"), ("no folder",)),
    Row("word without =", "option", ("check", "am2k"), ("am2k is no override",)),
    Row("malformed override", "option", ("check", "paths.am2k=[1"), ("paths.am2k=[1",)),
    Row("unknown data", "option", ("check", "data=photos"), ("photos",)),
    Row("data=null", "option", ("check", "data=null"), ("data=null",)),
    Row("path that is a number", "option", ("check", "paths.am2k=1"), ("paths.am2k",)),
    Row("path that is null", "option", ("check", "paths.am2k=null"), ("paths.am2k",)),
    Row("path that is a list", "option", ("check", "paths.am2k=[1]"), ("paths.am2k",)),
    Row("no workers", "option", ("check", "--workers", "0"), ("--workers",), status=2),
    Row("shard 3/2", "option", ("prepare", "trimaps", "--shard", "3/2"), ("--shard 3/2",)),
    Row("shard of text", "option", ("prepare", "trimaps", "--shard", "half"), ("--shard half",)),
    Row(
        "kernel of 0",
        "option",
        ("prepare", "trimaps", "paths.am2k={shared}/am2k", "--kernel-size", "0"),
        ("--kernel-size 0",),
    ),
    Row(
        "sigma of nan",
        "option",
        ("prepare", "denoise", "paths.am2k={shared}/am2k", "--sigma", "nan"),
        ("--sigma nan",),
    ),
    Row(
        "sigma of inf",
        "option",
        ("prepare", "denoise", "paths.am2k={shared}/am2k", "--sigma", "inf"),
        ("--sigma inf",),
    ),
    Row(
        "negative sigma",
        "option",
        ("prepare", "denoise", "paths.am2k={shared}/am2k", "--sigma", "-1"),
        ("--sigma -1",),
    ),
    Row(
        "unknown method",
        "option",
        ("prepare", "denoise", "paths.am2k={shared}/am2k", "--method", "median"),
        ("--method median",),
    ),
    Row(
        "unknown source",
        "option",
        ("prepare", "denoise", "paths.am2k={shared}/am2k", "--only", "sky"),
        ("--only sky",),
    ),
    Row(
        "unknown method",
        "option",
        ("prepare", "foregrounds", "paths.am2k={shared}/am2k", "--method", "x"),
        ("--method x",),
    ),
    Row(
        "unknown dataset",
        "option",
        ("prepare", "pack", "paths.am2k={shared}/am2k", "--only", "sky"),
        ("--only sky",),
    ),
    Row(
        "negative side",
        "option",
        ("prepare", "pack", "paths.am2k={shared}/am2k", "--max-side", "-1"),
        ("--max-side",),
        status=2,
    ),
    Row(
        "place that is a file",
        "path",
        ("prepare", "pack", "paths.am2k={shared}/am2k", "--out", "{here}/out"),
        ("cannot write",),
        a_file,
    ),
    Row("unknown command", "option", ("guess",), ("guess",), status=2),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_bad_predict(row, tmp_path, shared, capfd):
    check(row, tmp_path, shared, capfd)
