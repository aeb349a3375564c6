"""Files that hold no weights, or weights of something else, wherever a checkpoint is read."""

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from gfm.build import build
from tests.reliability import pictures
from tests.reliability.rows import Row, check
from tests.reliability.sound import NETWORK
from tests.reliability.test_bad_configs import EVALUATE, TRAIN

EXECUTED = "executed"


class Malicious:
    """Unpickled, it leaves a file in the folder where it is."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {EXECUTED}",)


def _state() -> dict[str, torch.Tensor]:
    return {f"model.{k}": v for k, v in build(NETWORK).state_dict().items()}


def _saved(content: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


def _run(model: Any = NETWORK, state: Any = None, **more: Any) -> bytes:
    """A checkpoint of a run, but for what is given."""
    content = {
        "pytorch-lightning_version": "2.6",
        "state_dict": _state() if state is None else state,
    }
    return _saved({**content, "hyper_parameters": {"model": model}, **more})


def _deep(depth: int) -> Any:
    node: Any = {}
    for _ in range(depth):
        node = {"a": node}
    return node


def _zip(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, content)
    return file.getvalue()


CONTENT: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "damaged"),
    "one byte": (lambda: b"\x80", "damaged"),
    "text": (lambda: b"not a checkpoint\n", "damaged"),
    "HTML": (lambda: b"<!DOCTYPE html>", "damaged"),
    "zeros": (lambda: bytes(1000), "damaged"),
    "cut in half": (lambda: _run()[: len(_run()) // 2], "damaged"),
    "ZIP archive of a text": (lambda: _zip("a.txt", b"text"), "damaged"),
    "ZIP archive with a pickle of text": (lambda: _zip("a/data.pkl", b"text"), "damaged"),
    "picture": (lambda: pictures.encoded(pictures.photo()), "damaged"),
    "ONNX file": (lambda: b"\x08\x08\x12\x07pytorch" * 9, "damaged"),
    "Keras file": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(200), "damaged"),
    "malicious pickle": (lambda: pickle.dumps(Malicious()), "damaged"),
    "malicious archive": (lambda: _saved({"state_dict": Malicious()}), "damaged"),
    "malicious old archive": (
        lambda: _saved(Malicious(), _use_new_zipfile_serialization=False),
        "damaged",
    ),
    "malicious hyper-parameters": (lambda: _run(Malicious()), "damaged"),
    "whole network pickled": (lambda: _saved(torch.nn.Linear(1, 1)), "damaged"),
    "number": (lambda: _saved(1), "holds no weights"),
    "nothing": (lambda: _saved(None), "holds no weights"),
    "list of tensors": (lambda: _saved([torch.zeros(1)]), "holds no weights"),
    "tensor": (lambda: _saved(torch.zeros(1)), "holds no weights"),
    "empty dictionary": (lambda: _saved({}), "not a GFM network"),
    "integer keys": (lambda: _saved({1: torch.zeros(1)}), "not a GFM network"),
    "tuple keys": (lambda: _saved({(1, 2): torch.zeros(1)}), "not a GFM network"),
    "another network": (lambda: _saved({"fc.weight": torch.zeros(1)}), "not a GFM network"),
    "names of a released one, no weights": (
        lambda: _saved(
            {
                "psp_module.bottleneck.weight": torch.zeros(1),
                "bridge_block.0.weight": torch.zeros(1),
            }
        ),
        "not a GFM network",
    ),
    "optimiser's state": (lambda: _saved({"state": {}, "param_groups": []}), "holds no weights"),
    "state that is a list": (lambda: _run(state=[torch.zeros(1)]), "state"),
    "state that is text": (lambda: _run(state="weights"), "state"),
    "state of strings": (lambda: _run(state={"model.a": "text"}), "state"),
    "state of integer keys": (lambda: _run(state={1: torch.zeros(1)}), "state"),
    "no state": (
        lambda: _saved({"pytorch-lightning_version": "2", "hyper_parameters": {"model": NETWORK}}),
        "state",
    ),
    "empty state": (lambda: _run(state={}), "another architecture"),
    "state of another network": (lambda: _run({**NETWORK, "rosta": "rim"}), "another architecture"),
    "state of other widths": (
        lambda: _run({**NETWORK, "decoder_channels": [9] * 5}),
        "another architecture",
    ),
    "weights that are sparse": (
        lambda: _run(state={k: v.to_sparse() if v.ndim == 4 else v for k, v in _state().items()}),
        "state",
    ),
    "weights that are whole numbers": (
        lambda: _run(state={k: v.to(torch.int8) for k, v in _state().items()}),
        "state",
    ),
    "weights that are complex": (
        lambda: _run(state={k: v.to(torch.complex64) for k, v in _state().items()}),
        "state",
    ),
    "weights on no device": (
        lambda: _run(state={k: v.to("meta") for k, v in _state().items()}),
        "state",
    ),
    "weights that are NaN": (
        lambda: _run(
            state={k: v * float("nan") if v.is_floating_point() else v for k, v in _state().items()}
        ),
        "finite",
    ),
    "hyper-parameters of None": (lambda: _run(hyper_parameters=None), "another program"),
    "hyper-parameters of text": (lambda: _run(hyper_parameters="model"), "another program"),
    "hyper-parameters of a list": (lambda: _run(hyper_parameters=["model"]), "another program"),
    "no hyper-parameters": (
        lambda: _saved({"pytorch-lightning_version": "2", "state_dict": {}}),
        "another program",
    ),
    "description of None": (lambda: _run(None), "describes"),
    "description that is text": (lambda: _run("gfm.models.gfm.GFM"), "describes"),
    "description that is a list": (lambda: _run([NETWORK]), "describes"),
    "empty description": (lambda: _run({}), "describes"),
    "description of 150 levels": (lambda: _run({**NETWORK, "x": _deep(150)}), "deep"),
    "description without encoder": (
        lambda: _run({k: v for k, v in NETWORK.items() if k != "encoder"}),
        "encoder",
    ),
    "description without RoSTA": (
        lambda: _run({k: v for k, v in NETWORK.items() if k != "rosta"}),
        "rosta",
    ),
    "description without target": (
        lambda: _run({k: v for k, v in NETWORK.items() if k != "_target_"}),
        "describes",
    ),
    "RoSTA that is none": (lambda: _run({**NETWORK, "rosta": "xt"}), "xt"),
    "RoSTA that is a number": (lambda: _run({**NETWORK, "rosta": 1}), "rosta"),
    "RoSTA that is a list": (lambda: _run({**NETWORK, "rosta": ["tt"]}), "rosta"),
    "encoder that is text": (lambda: _run({**NETWORK, "encoder": "resnet"}), "encoder"),
    "encoder that timm lacks": (
        lambda: _run({**NETWORK, "encoder": {**NETWORK["encoder"], "name": "no"}}),
        "no",
    ),
    "network that is no network": (
        lambda: _run(
            {"_target_": "gfm.models.blocks.upsample", "factor": 2, "rosta": "tt", "encoder": {}}
        ),
        "cannot build",
    ),
    "network with an unknown option": (lambda: _run({**NETWORK, "colour": 1}), "colour"),
    "network of a thousand million channels": (
        lambda: _run({**NETWORK, "decoder_channels": [10**9] * 5}),
        "cannot build",
    ),
    "class of another package": (
        lambda: _run({"_target_": "os.system", "command": f"touch {EXECUTED}", "rosta": "tt"}),
        "os.system",
    ),
    "class within ours of another package": (
        lambda: _run(
            {**NETWORK, "encoder": {"_target_": "gfm.models.encoders.torch.load", "f": "x"}}
        ),
        "asks for",
    ),
    "interpolation": (lambda: _run({**NETWORK, "rosta": "${oc.env:HOME}"}), "interpolation"),
    "inference of another package": (
        lambda: _run(hyper_parameters={"model": NETWORK, "inference": {"_target_": "os.system"}}),
        "os.system",
    ),
    "inference that is a number": (
        lambda: _run(hyper_parameters={"model": NETWORK, "inference": 1}),
        "inference",
    ),
    "inference that is text": (
        lambda: _run(hyper_parameters={"model": NETWORK, "inference": "hybrid"}),
        "inference",
    ),
}
"""Contents of a ``.ckpt``, and what is said of them."""


def _safe(metadata: Any, header: dict[str, Any] | None = None, data: bytes = b"") -> bytes:
    head = json.dumps({"__metadata__": metadata, **(header or {})}).encode()
    return struct.pack("<Q", len(head)) + head + data


SAFETENSORS: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "damaged"),
    "text": (lambda: b"text", "damaged"),
    "header of 2⁶² bytes": (lambda: struct.pack("<Q", 2**62) + b"{}", "damaged"),
    "no metadata": (lambda: struct.pack("<Q", 2) + b"{}", "not ours"),
    "description that is no JSON": (lambda: _safe({"model": "{"}), "not ours"),
    "description that is a number": (lambda: _safe({"model": "1"}), "describes"),
    "description of 100000 levels": (
        lambda: _safe({"model": "[" * 100_000 + "]" * 100_000}),
        "damaged",
    ),
    "class of another package": (
        lambda: _safe({"model": json.dumps({"_target_": "os.system"})}),
        "os.system",
    ),
    "tensor beyond the file": (
        lambda: _safe(
            {"model": json.dumps(NETWORK)},
            {"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}},
        ),
        "damaged",
    ),
    "no weights": (lambda: _safe({"model": json.dumps(NETWORK)}), "another architecture"),
    "inference that is no JSON": (
        lambda: _safe({"model": json.dumps(NETWORK), "inference": "{"}),
        "damaged",
    ),
}


def put(name: str, make: Callable[[], bytes], here: Path) -> None:
    (here / name).write_bytes(make())


CONVERT = ("convert", "{here}/bad.ckpt", "{here}/out.safetensors")
READERS = (
    (
        "predict",
        "{shared}/photo.png",
        "--checkpoint",
        "{here}/bad.ckpt",
        "-o",
        "{here}/out",
        "--device",
        "cpu",
    ),
    ("export", "onnx", "{here}/bad.ckpt", "{here}/out.onnx"),
    ("export", "safetensors", "{here}/bad.ckpt", "{here}/out.safetensors"),
    ("export", "hub", "{here}/bad.ckpt", "{here}/hub"),
    (*EVALUATE, "checkpoint={here}/bad.ckpt", "trainer.accelerator=cpu"),
    (*TRAIN, "init_from={here}/bad.ckpt"),
    (*TRAIN, "ckpt_path={here}/bad.ckpt"),
)
FEW = (
    "one byte",
    "integer keys",
    "state that is a list",
    "malicious archive",
    "hyper-parameters of None",
    "description that is text",
    "description without RoSTA",
    "class of another package",
)
NO_DESCRIPTION = (
    "description that is text",
    "description without RoSTA",
    "class of another package",
)

ROWS = [
    Row(name, "checkpoint", CONVERT, ("bad.ckpt", says), partial(put, "bad.ckpt", make))
    for name, (make, says) in CONTENT.items()
]
ROWS += [
    Row(
        f"{name} (safetensors)",
        "checkpoint",
        ("convert", "{here}/bad.safetensors", "{here}/out.ckpt"),
        ("bad.safetensors", says),
        partial(put, "bad.safetensors", make),
    )
    for name, (make, says) in SAFETENSORS.items()
]
ROWS += [
    Row(
        f"{name} ({' '.join(c[:2])})",
        "checkpoint",
        command,
        ("bad.ckpt",),
        partial(put, "bad.ckpt", CONTENT[name][0]),
    )
    for command in READERS
    for c in [[w for w in command if "bad.ckpt" in w or w in ("predict", "export", "onnx")]]
    for name in FEW
    if not (name in NO_DESCRIPTION and "init_from={here}/bad.ckpt" in command)
]
ROWS += [
    Row(
        what,
        "checkpoint",
        CONVERT,
        ("bad.ckpt",),
        partial(lambda what, here: pictures.put(here / "bad.ckpt", what), what),
    )
    for what in pictures.NO_FILE
]
ROWS += [
    Row(
        "inference of a scale of 0",
        "checkpoint",
        READERS[0],
        ("scale=0",),
        partial(
            put,
            "bad.ckpt",
            lambda: _run(
                hyper_parameters={
                    "model": NETWORK,
                    "inference": {"_target_": "gfm.inference.Resize", "scale": 0},
                }
            ),
        ),
    ),
    Row(
        "other suffix",
        "option",
        ("convert", "{shared}/net.ckpt", "{here}/out.onnx"),
        ("choose .ckpt or .safetensors",),
    ),
    Row(
        "unknown released weights",
        "option",
        ("convert", "released:r50_tt", "{here}/out.ckpt"),
        ("choose one of",),
    ),
    Row(
        "itself",
        "option",
        ("convert", "{here}/a.ckpt", "{here}/a.ckpt/b.ckpt"),
        ("a.ckpt",),
        partial(put, "a.ckpt", _run),
    ),
]


def _resumed(**config: Any) -> bytes:
    """A checkpoint that a run with these options could go on from, as far as is looked at first."""
    parts = {"optimizer_states": [{}], "lr_schedulers": [], "loops": {}}
    return _run(hyper_parameters={"model": {}, **config}, **parts)


RESUMED = (
    ("another RoSTA", lambda: _resumed(rosta={"name": "ft"}), "rosta.name=tt (was ft)"),
    ("another backbone", lambda: _resumed(model={"encoder": {"name": "r"}}), "model.encoder.name"),
    ("another optimiser", lambda: _resumed(optimizer={"_target_": "x"}), "optimizer._target_"),
    ("another seed", lambda: _resumed(seed=1), "seed=0 (was 1)"),
    ("weights alone", _run, "holds only weights"),
    ("no loops", lambda: _run(optimizer_states=[{}], lr_schedulers=[]), "loops"),
    ("no optimiser", lambda: _run(optimizer_states=[], lr_schedulers=[], loops={}), "optimiser"),
    ("optimisers that are a number", lambda: _run(optimizer_states=1), "optimizer_states"),
    ("options of None", lambda: _run(optimizer_states=[{}], hyper_parameters=None), "hyper"),
)
ROWS += [
    Row(
        f"to go on from: {name}",
        "checkpoint",
        (*TRAIN, "ckpt_path={here}/last.ckpt"),
        ("last.ckpt", says),
        partial(put, "last.ckpt", make),
    )
    for name, make, says in RESUMED
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_bad_checkpoints(row, tmp_path, shared, capfd):
    check(row, tmp_path, shared, capfd)
