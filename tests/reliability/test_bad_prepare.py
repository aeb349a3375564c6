"""Options and places that ``gfm check`` and ``gfm prepare`` cannot use."""

import pytest

from tests.reliability.rows import Row, check, out_is_a_file

PREPARE = (
    ("kernel of 0", "trimaps", "--kernel-size 0"),
    ("sigma of nan", "denoise", "--sigma nan"),
    ("sigma of inf", "denoise", "--sigma inf"),
    ("negative sigma", "denoise", "--sigma -1"),
    ("unknown method", "denoise", "--method median"),
    ("unknown source", "denoise", "--only sky"),
    ("unknown method", "foregrounds", "--method x"),
    ("unknown dataset", "pack", "--only sky"),
)
ROWS = [
    Row(name, "option", ("prepare", task, "paths.am2k={shared}/am2k", *words.split()), (words,))
    for name, task, words in PREPARE
]
ROWS += [
    Row("data that is not there", "option", ("check", "paths.am2k={here}/no"), ("no folder",)),
    Row("word without =", "option", ("check", "am2k"), ("am2k is not NAME=VALUE",)),
    Row("malformed override", "option", ("check", "paths.am2k=[1"), ("no folder [1: set",)),
    Row("unknown data", "option", ("check", "data=photos"), ("photos",)),
    Row("data=null", "option", ("check", "data=null"), ("data=null",)),
    Row("path that is a number", "option", ("check", "paths.am2k=1"), ("paths.am2k",)),
    Row("path that is null", "option", ("check", "paths.am2k=null"), ("paths.am2k",)),
    Row("path that is a list", "option", ("check", "paths.am2k=[1]"), ("paths.am2k",)),
    Row("no workers", "option", ("check", "--workers", "0"), ("--workers",), status=2),
    Row("shard 3/2", "option", ("prepare", "trimaps", "--shard", "3/2"), ("--shard 3/2",)),
    Row("shard of text", "option", ("prepare", "trimaps", "--shard", "half"), ("--shard half",)),
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
        out_is_a_file,
    ),
    Row("unknown command", "option", ("guess",), ("guess",), status=2),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_bad_prepare(row, tmp_path, shared, capfd):
    check(row, tmp_path, shared, capfd)
