"""Checkpoints, options and places that ``gfm demo`` and ``gfm export`` cannot use."""

import pytest

from tests.reliability.rows import Row, check, out_is_a_file

NET = "{shared}/net.ckpt"
DEMO = ("demo", "--device", "cpu", "--checkpoint")
ROWS = [
    Row("no such checkpoint", "checkpoint", (*DEMO, "{here}/no.ckpt"), ("no checkpoint",)),
    Row("unknown inference", "option", (*DEMO, NET, "--inference", "x"), ("unknown inference",)),
]
ROWS += [
    Row(f"port {port}", "option", (*DEMO, NET, "--port", port), ("--port",), status=2)
    for port in ("99999", "-1", "http")
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
            ("export", kind, NET, "{here}/a.bin"),
            ("ends in " + suffix,),
        ),
        Row(
            "place in a file",
            "path",
            ("export", kind, NET, "{here}/out/a" + suffix),
            ("cannot write",),
            out_is_a_file,
        ),
    ]
ROWS += [
    Row(
        "unknown pixels",
        "option",
        ("export", "onnx", NET, "{here}/a.onnx", "--pixels", "int4"),
        ("int4",),
    ),
    Row(
        "unknown inference",
        "option",
        ("export", "onnx", NET, "{here}/a.onnx", "--inference", "x"),
        ("unknown inference",),
    ),
    Row(
        "place that is a file",
        "path",
        ("export", "hub", NET, "{here}/out"),
        ("cannot write",),
        out_is_a_file,
    ),
    Row(
        "metrics that are none",
        "results",
        ("export", "hub", NET, "{here}/hub", "--metrics", NET),
        ("not a metrics.json",),
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_bad_export(row, tmp_path, shared, capfd):
    if row.entry == "demo" and row.status == 1:  # words are read before the page is needed
        pytest.importorskip("gradio")
    check(row, tmp_path, shared, capfd)
