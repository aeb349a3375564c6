"""Checkpoints, options and places that ``gfm demo`` and ``gfm export`` cannot use."""

import pytest

from tests.reliability.rows import Row, check, out_is_a_file

DEMO = ("demo", "--device", "cpu")
ROWS = [
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
            out_is_a_file,
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
        out_is_a_file,
    ),
    Row(
        "metrics that are none",
        "results",
        ("export", "hub", "{shared}/net.ckpt", "{here}/hub", "--metrics", "{shared}/net.ckpt"),
        ("no metrics.json",),
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_bad_export(row, tmp_path, shared, capfd):
    check(row, tmp_path, shared, capfd)
