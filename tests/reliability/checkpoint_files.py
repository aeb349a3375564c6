"""Contents of files that hold no weights, or the weights of something else.

Each table maps a name to a function that makes the content, and to a word of the expected message.
"""

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import torch

from gfm.compat.hydra import instantiate
from tests.conftest import SMALL_NODE
from tests.reliability import pictures

Contents = dict[str, tuple[Callable[[], bytes], str]]

EXECUTED = "executed"


class Malicious:
    """Writes a file to the current folder when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {EXECUTED}",)


def _state() -> dict[str, torch.Tensor]:
    return {f"model.{k}": v for k, v in instantiate(SMALL_NODE).state_dict().items()}


def _saved(content: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


def of_run(model: Any = SMALL_NODE, state: Any = None, **more: Any) -> bytes:
    """Return a checkpoint of a run whose parts are replaced by those that are given."""
    content = {
        "pytorch-lightning_version": "2.6",
        "state_dict": _state() if state is None else state,
    }
    return _saved({**content, "hyper_parameters": {"model": model}, **more})


def with_inferer(node: Any) -> bytes:
    """Return a checkpoint of a run with this description of an inferer."""
    return of_run(hyper_parameters={"model": SMALL_NODE, "inference": node})


def _state_as(kind: Any) -> dict[str, torch.Tensor]:
    """Return the weights with another type, or on another device."""
    return {k: v.to(kind) for k, v in _state().items()}


def _without(name: str) -> dict[str, Any]:
    """Return the description of the network without one of its parts."""
    return {k: v for k, v in SMALL_NODE.items() if k != name}


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


_RELEASED_NAMES = ("psp_module.bottleneck.weight", "bridge_block.0.weight")

CONTENT: Contents = {
    "empty": (lambda: b"", "damaged"),
    "one byte": (lambda: b"\x80", "damaged"),
    "text": (lambda: b"not a checkpoint\n", "damaged"),
    "HTML": (lambda: b"<!DOCTYPE html>", "damaged"),
    "zeros": (lambda: bytes(1000), "damaged"),
    "cut in half": (lambda: of_run()[: len(of_run()) // 2], "damaged"),
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
    "malicious hyper-parameters": (lambda: of_run(Malicious()), "damaged"),
    "whole network pickled": (lambda: _saved(torch.nn.Linear(1, 1)), "damaged"),
    "number": (lambda: _saved(1), "not contain weights"),
    "nothing": (lambda: _saved(None), "not contain weights"),
    "list of tensors": (lambda: _saved([torch.zeros(1)]), "not contain weights"),
    "tensor": (lambda: _saved(torch.zeros(1)), "not contain weights"),
    "empty dictionary": (lambda: _saved({}), "not a GFM network"),
    "integer keys": (lambda: _saved({1: torch.zeros(1)}), "not a GFM network"),
    "tuple keys": (lambda: _saved({(1, 2): torch.zeros(1)}), "not a GFM network"),
    "another network": (
        lambda: _saved({"fc.weight": torch.zeros(1)}),
        "not a GFM network (it has fc.weight",
    ),
    "names of a released one, no weights": (
        lambda: _saved(dict.fromkeys(_RELEASED_NAMES, torch.zeros(1))),
        "not a GFM network",
    ),
    "optimiser's state": (
        lambda: _saved({"state": {}, "param_groups": []}),
        "not contain weights",
    ),
    "state that is a list": (lambda: of_run(state=[torch.zeros(1)]), "a list in place"),
    "state that is text": (lambda: of_run(state="weights"), "a str in place"),
    "state of strings": (lambda: of_run(state={"model.a": "text"}), "dense tensor"),
    "state of integer keys": (lambda: of_run(state={1: torch.zeros(1)}), "dense tensor"),
    "no state": (
        lambda: _saved(
            {"pytorch-lightning_version": "2", "hyper_parameters": {"model": SMALL_NODE}}
        ),
        "a NoneType in place",
    ),
    "empty state": (lambda: of_run(state={}), "a different architecture"),
    "state of another network": (
        lambda: of_run({**SMALL_NODE, "rosta": "rim"}),
        "a different architecture",
    ),
    "state of other widths": (
        lambda: of_run({**SMALL_NODE, "decoder_channels": [9] * 5}),
        "a different architecture",
    ),
    "weights that are sparse": (
        lambda: of_run(state={k: v.to_sparse() if v.ndim == 4 else v for k, v in _state().items()}),
        "dense tensor",
    ),
    "weights that are whole numbers": (lambda: of_run(state=_state_as(torch.int8)), "floats"),
    "weights that are complex": (lambda: of_run(state=_state_as(torch.complex64)), "floats"),
    "weights on no device": (lambda: of_run(state=_state_as("meta")), "dense tensor"),
    "weights that are NaN": (
        lambda: of_run(
            state={k: v * float("nan") if v.is_floating_point() else v for k, v in _state().items()}
        ),
        "finite",
    ),
    "hyper-parameters of None": (lambda: of_run(hyper_parameters=None), "different program"),
    "hyper-parameters of text": (lambda: of_run(hyper_parameters="model"), "different program"),
    "hyper-parameters of a list": (
        lambda: of_run(hyper_parameters=["model"]),
        "different program",
    ),
    "no hyper-parameters": (
        lambda: _saved({"pytorch-lightning_version": "2", "state_dict": {}}),
        "different program",
    ),
    "description of None": (lambda: of_run(None), "not describe a network"),
    "description that is text": (
        lambda: of_run("gfm.models.gfm.GFM"),
        "not describe a network",
    ),
    "description that is a list": (lambda: of_run([SMALL_NODE]), "not describe a network"),
    "empty description": (lambda: of_run({}), "not describe a network"),
    "description of 150 levels": (
        lambda: of_run({**SMALL_NODE, "x": _deep(150)}),
        "levels of nesting",
    ),
    "description without encoder": (lambda: of_run(_without("encoder")), "encoder"),
    "description without RoSTA": (lambda: of_run(_without("rosta")), "rosta"),
    "description without target": (
        lambda: of_run(_without("_target_")),
        "not describe a network",
    ),
    "RoSTA that is none": (lambda: of_run({**SMALL_NODE, "rosta": "xt"}), "xt"),
    "RoSTA that is a number": (lambda: of_run({**SMALL_NODE, "rosta": 1}), "rosta"),
    "RoSTA that is a list": (lambda: of_run({**SMALL_NODE, "rosta": ["tt"]}), "rosta"),
    "encoder that is text": (lambda: of_run({**SMALL_NODE, "encoder": "resnet"}), "encoder"),
    "encoder that timm lacks": (
        lambda: of_run({**SMALL_NODE, "encoder": {**SMALL_NODE["encoder"], "name": "no"}}),
        "no",
    ),
    "network that is no network": (
        lambda: of_run(
            {"_target_": "gfm.models.blocks.upsample", "factor": 2, "rosta": "tt", "encoder": {}}
        ),
        "cannot build",
    ),
    "network with an unknown option": (lambda: of_run({**SMALL_NODE, "colour": 1}), "colour"),
    "network of a thousand million channels": (
        lambda: of_run({**SMALL_NODE, "decoder_channels": [10**9] * 5}),
        "cannot build",
    ),
    "class of another package": (
        lambda: of_run({"_target_": "os.system", "command": f"touch {EXECUTED}", "rosta": "tt"}),
        "os.system",
    ),
    "class within ours of another package": (
        lambda: of_run(
            {**SMALL_NODE, "encoder": {"_target_": "gfm.models.encoders.torch.load", "f": "x"}}
        ),
        "uses",
    ),
    "interpolation": (lambda: of_run({**SMALL_NODE, "rosta": "${oc.env:HOME}"}), "interpolation"),
    "inference of another package": (lambda: with_inferer({"_target_": "os.system"}), "os.system"),
    "inference that is a number": (lambda: with_inferer(1), "inference"),
    "inference that is text": (lambda: with_inferer("hybrid"), "inference"),
}
"""Contents of a ``.ckpt``."""


def _safe(metadata: Any, header: dict[str, Any] | None = None, data: bytes = b"") -> bytes:
    head = json.dumps({"__metadata__": metadata, **(header or {})}).encode()
    return struct.pack("<Q", len(head)) + head + data


SAFETENSORS: Contents = {
    "empty": (lambda: b"", "damaged"),
    "text": (lambda: b"text", "damaged"),
    "header of 2⁶² bytes": (lambda: struct.pack("<Q", 2**62) + b"{}", "damaged"),
    "no metadata": (lambda: struct.pack("<Q", 2) + b"{}", "not written by gfm"),
    "description that is no JSON": (lambda: _safe({"model": "{"}), "not written by gfm"),
    "description that is a number": (lambda: _safe({"model": "1"}), "not describe a network"),
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
            {"model": json.dumps(SMALL_NODE)},
            {"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}},
        ),
        "damaged",
    ),
    "no weights": (lambda: _safe({"model": json.dumps(SMALL_NODE)}), "a different architecture"),
    "inference that is no JSON": (
        lambda: _safe({"model": json.dumps(SMALL_NODE), "inference": "{"}),
        "damaged",
    ),
}
"""Contents of a ``.safetensors``."""


def _resumed(**config: Any) -> bytes:
    """Return a checkpoint that has all parts from which a run with these options resumes."""
    parts = {"optimizer_states": [{}], "lr_schedulers": [], "loops": {}}
    return of_run(hyper_parameters={"model": {}, **config}, **parts)


RESUMED = (
    ("another RoSTA", lambda: _resumed(rosta="ft"), "rosta=tt (was ft)"),
    (
        "another backbone",
        lambda: _resumed(model={"encoder": {"name": "r"}}),
        "resumed with backbone=test_resnet",
    ),
    ("another optimiser", lambda: _resumed(optimizer={"_target_": "x"}), "optimizer._target_"),
    ("another seed", lambda: _resumed(seed=1), "seed=0 (was 1)"),
    ("weights alone", of_run, "holds only weights"),
    ("no loops", lambda: of_run(optimizer_states=[{}], lr_schedulers=[]), "loops"),
    ("no optimiser", lambda: of_run(optimizer_states=[], lr_schedulers=[], loops={}), "optimiser"),
    ("optimisers that are a number", lambda: of_run(optimizer_states=1), "optimizer_states"),
    ("options of None", lambda: of_run(optimizer_states=[{}], hyper_parameters=None), "hyper"),
)
"""Contents of a ``.ckpt`` from which a training is to be resumed."""
