"""Reads the results of a command in a form that can be compared."""

import csv
import hashlib
import io
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

Outcome = dict[str, str]
"""Fingerprints of files, or of parts of a file, by name."""

TEMPORARY = "*.tmp"

_HOUR = 3600


def of_files(folder: Path, but: Iterable[str] = ()) -> Outcome:
    """Return fingerprints of all files, hidden ones too, except those that match a pattern."""
    but = tuple(but)
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    named = ((path, path.relative_to(folder)) for path in files)
    return {
        str(name): hashlib.sha256(path.read_bytes()).hexdigest()
        for path, name in named
        if not any(name.match(pattern) for pattern in but)
    }


def of_checkpoint(path: Path) -> Outcome:
    """Return fingerprints of a checkpoint's weights, optimiser, schedule and step.

    The epoch is left out, because a checkpoint that is saved again at the end has the next one.
    """
    content = torch.load(path, map_location="cpu", weights_only=True)
    parts = ("state_dict", "optimizer_states", "lr_schedulers", "global_step")
    return {f"{path.name}: {part}": _of_value(content[part]) for part in parts if part in content}


def of_safetensors(path: Path) -> Outcome:
    """Return fingerprints of the tensors and of the metadata, whose order in the file is random."""
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
        parts = {"tensors": tensors, "metadata": dict(sorted(file.metadata().items()))}
    return {f"{path.name}: {part}": _of_value(value) for part, value in parts.items()}


def of_table(path: Path, but: Iterable[str] = ()) -> Outcome:
    """Return the fingerprint of a table without the columns that differ from run to run."""
    but = set(but)
    text = io.StringIO()
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            print(sorted((k, v) for k, v in row.items() if k not in but), file=text)
    return {path.name: hashlib.sha256(text.getvalue().encode()).hexdigest()}


def differences(expected: Outcome, found: Outcome) -> list[str]:
    """Return the differences in words; an empty list if there are none."""
    lines = [f"{name} is missing" for name in expected.keys() - found.keys()]
    lines += [f"{name} is left over" for name in found.keys() - expected.keys()]
    both = expected.keys() & found.keys()
    return sorted(lines + [f"{name} differs" for name in both if expected[name] != found[name]])


def age_temporary(folder: Path) -> None:
    """Make the temporary files of a killed command an hour old, as if an hour had passed."""
    then = time.time() - _HOUR
    for path in folder.rglob(TEMPORARY):
        os.utime(path, (then, then))


def _of_value(value: Any) -> str:
    digest = hashlib.sha256()
    _add(digest, value)
    return digest.hexdigest()


def _add(digest: Any, value: Any) -> None:
    if isinstance(value, torch.Tensor):
        digest.update(str((value.dtype, tuple(value.shape))).encode())
        digest.update(value.contiguous().numpy().tobytes())
    elif isinstance(value, dict):
        for key in value:
            digest.update(repr(key).encode())
            _add(digest, value[key])
    elif isinstance(value, list | tuple):
        for part in value:
            _add(digest, part)
    else:
        digest.update(repr(value).encode())
