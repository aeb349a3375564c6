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
    missing = ("export", kind, "{here}/no.ckpt", "{here}/a" + suffix)
    in_file = ("export", kind, NET, "{here}/out/a" + suffix)
    other = ("export", kind, NET, "{here}/a.bin")
    ROWS += [
        Row("no such checkpoint", "checkpoint", missing, ("no checkpoint",)),
        Row("other suffix", "option", other, ("ends in " + suffix,)),
        Row("place in a file", "path", in_file, ("cannot write",), out_is_a_file),
    ]
ONNX = ("export", "onnx", NET, "{here}/a.onnx")
HUB = ("export", "hub", NET, "{here}/out")
ROWS += [
    Row("unknown pixels", "option", (*ONNX, "--pixels", "int4"), ("int4",)),
    Row("unknown inference", "option", (*ONNX, "--inference", "x"), ("unknown inference",)),
    Row("place that is a file", "path", HUB, ("cannot write",), out_is_a_file),
    Row("metrics that are none", "results", (*HUB, "--metrics", NET), ("not a metrics.json",)),
    Row("no such metrics", "results", (*HUB, "--metrics", "{here}/m.json"), ("m.json: No such",)),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_bad_export(row, tmp_path, shared, capfd):
    if row.entry == "demo" and row.status == 1:  # words are read before the page is needed
        pytest.importorskip("gradio")
    check(row, tmp_path, shared, capfd)
