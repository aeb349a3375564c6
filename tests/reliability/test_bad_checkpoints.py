"""Files that hold no weights, or weights of something else, wherever a checkpoint is read."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.reliability import pictures
from tests.reliability.checkpoint_files import CONTENT, RESUMED, SAFETENSORS, of_run, with_inferer
from tests.reliability.rows import Row, check
from tests.reliability.test_bad_configs import EVALUATE, TRAIN


def put(name: str, make: Callable[[], bytes], here: Path) -> None:
    """Write a file of this name into a folder."""
    (here / name).write_bytes(make())


CONVERT = ("convert", "{here}/bad.ckpt", "{here}/out.safetensors")
PREDICT = (
    *("predict", "{shared}/photo.png", "--checkpoint", "{here}/bad.ckpt"),
    *("-o", "{here}/out", "--device", "cpu"),
)
READERS = (
    PREDICT,
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
ZERO = {"_target_": "gfm.inference.Resize", "scale": 0}
ROWS += [
    Row(
        "inference of a scale of 0",
        "checkpoint",
        PREDICT,
        ("scale=0",),
        partial(put, "bad.ckpt", partial(with_inferer, ZERO)),
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
        partial(put, "a.ckpt", of_run),
    ),
]
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
