"""Runs and tables that ``gfm compare`` cannot use."""

from functools import partial
from pathlib import Path

import pytest

from tests.reliability.rows import Row, check

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


def sweep_folder(here: Path) -> None:
    (here / "sweep").mkdir()
    (here / "sweep/swept.json").write_text("[]")


ROWS = [
    Row("a single run", "results", (*COMPARE, "{here}/a"), ("at least two runs",)),
    Row(
        "a sweep",
        "results",
        (*COMPARE, "{here}/sweep"),
        ("sweep is the folder of a sweep: name its runs, such as",),
        sweep_folder,
    ),
]
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


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_bad_compare(row, tmp_path, shared, capfd):
    check(row, tmp_path, shared, capfd)
