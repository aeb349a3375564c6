"""Reads and writes weights: checkpoints of runs, released official ones, safetensors.

Only tensors and plain containers are ever unpickled; :mod:`gfm.checkpoints.trust` checks the
description of the network.
"""

import json
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from gfm.checkpoints.checkpoint import Checkpoint, collect_facts, without_pretrained
from gfm.checkpoints.file_io import write_file
from gfm.checkpoints.integrity import check_archive, check_digest, digest
from gfm.checkpoints.released import convert_official, is_official
from gfm.checkpoints.sources import find_checkpoint
from gfm.checkpoints.trust import check_description, check_parts, check_state
from gfm.errors import GFMError

_PREFIX = "model."  # of the network's weights in the LightningModule
_EXPECTED = "a .ckpt of a training run, a released GFM .pth, or a .safetensors written by gfm"


def read_checkpoint(path: Path, trust: Sequence[str] = ()) -> Checkpoint:
    """Read any source of :func:`gfm.checkpoints.sources.find_checkpoint`.

    Args:
        path: Source.
        trust: Additional packages whose classes the file may use.

    Raises:
        GFMError: The file is missing, damaged or unsupported, or uses a class that is not trusted.
    """
    checkpoint = read_weights(path)
    for node, package in ((checkpoint.model, "gfm.models"), (checkpoint.inferer, "gfm.inference")):
        check_description(node, [package], trust, path)
    check_parts(checkpoint.model, checkpoint.inferer, path)
    return replace(checkpoint, model=without_pretrained(checkpoint.model))


_TRAINING_PARTS = {
    "inference": ["gfm.inference"],
    "loss": ["gfm.losses"],
    "metrics": ["gfm.metrics"],
    "optimizer": ["torch.optim"],
    "scheduler": ["gfm.training.optimization", "torch.optim"],
}
"""Parts of a training run other than the network, and the packages that may define them."""


def read_training(path: Path, trust: Sequence[str] = ()) -> Checkpoint:
    """Read a checkpoint that describes a whole training run; see :func:`read_checkpoint`."""
    checkpoint = read_checkpoint(path, trust)
    missing = [part for part in _TRAINING_PARTS if part not in checkpoint.config]
    if missing:
        raise GFMError(
            f"{path} does not describe a training run (it lacks {', '.join(missing)}): read its "
            "network with gfm.checkpoints.load_network"
        )
    for part, packages in _TRAINING_PARTS.items():
        check_description(checkpoint.config[part], packages, trust, path)
    return checkpoint


def read_weights(path: Path) -> Checkpoint:
    """Read like :func:`read_checkpoint`, but do not check the description, which may be unsafe."""
    path = find_checkpoint(path)
    if not path.is_file():
        raise GFMError(f"no checkpoint {path}: expected {_EXPECTED}")
    if path.suffix in (".onnx", ".pt2"):
        raise GFMError(f"{path} was exported for other programs: use the checkpoint it came from")
    read = _read_safetensors if path.suffix == ".safetensors" else _read_torch
    try:
        return read(path)
    except OSError as error:
        raise GFMError(f"cannot read {path}: {error.strerror or error}") from error


def _read_torch(path: Path) -> Checkpoint:
    try:
        check_archive(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of outdated formats
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (GFMError, OSError):
        raise
    except Exception as error:  # a damaged pickle may make torch raise anything
        raise GFMError(
            f"{path} is damaged, or contains objects other than weights: expected {_EXPECTED}"
        ) from error
    if isinstance(content, dict) and "pytorch-lightning_version" in content:
        return _from_run(content, path)
    if isinstance(content, dict) and all(isinstance(v, Tensor) for v in content.values()):
        return _from_official(content, path)
    raise GFMError(f"{path} does not contain weights: expected {_EXPECTED}")


def _from_official(content: dict[Any, Tensor], path: Path) -> Checkpoint:
    if not is_official(content):
        first = next(iter(content), "nothing")
        raise GFMError(f"{path} is not a GFM network (it has {first}…): expected {_EXPECTED}")
    check_state(content, path)
    try:
        return Checkpoint(*convert_official(content, path))
    except (LookupError, ZeroDivisionError) as error:
        raise GFMError(f"{path} is not a GFM network: tensors are missing") from error


def _from_run(content: dict[Any, Any], path: Path) -> Checkpoint:
    config = content.get("hyper_parameters")
    if not isinstance(config, dict) or "model" not in config:
        raise GFMError(f"{path} was written by a different program: expected {_EXPECTED}")
    state = check_state(content.get("state_dict"), path)
    weights = {k.removeprefix(_PREFIX): v for k, v in state.items() if k.startswith(_PREFIX)}
    return Checkpoint(config["model"], weights, config)


def _read_safetensors(path: Path) -> Checkpoint:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        state = safetensors.torch.load_file(path)
        expected = metadata.pop(_DIGEST, None)
        check_digest(path, state, metadata, expected)
        config = {k: json.loads(metadata[k]) for k in _STORED if k in metadata}
        return Checkpoint(json.loads(metadata["model"]), state, config)
    except (safetensors.SafetensorError, KeyError, ValueError, RecursionError) as error:
        raise GFMError(
            f"{path} is damaged, or was not written by gfm: expected {_EXPECTED}"
        ) from error


_DIGEST = "sha256"  # the key of the digest in the metadata of safetensors
_STORED = ("inference", "licence", "data")  # parts of a run's configuration that safetensors store


def _save_safetensors(path: Path, checkpoint: Checkpoint) -> None:
    state = {k: v.contiguous() for k, v in checkpoint.state.items()}
    described = {"model": checkpoint.model}
    config = {**checkpoint.config, "data": checkpoint.scale_options}
    described |= {k: config[k] for k in _STORED if config.get(k)}
    metadata = collect_facts(checkpoint) | {k: json.dumps(v) for k, v in described.items()}
    metadata[_DIGEST] = digest(state, metadata)
    path.touch()
    mode = path.stat().st_mode
    safetensors.torch.save_file(state, path, metadata)
    with suppress(OSError):  # a file system without permissions
        path.chmod(mode)  # safetensors 0.8 lets only the owner read


def _save_ckpt(path: Path, checkpoint: Checkpoint) -> None:
    content = {
        "pytorch-lightning_version": version("pytorch-lightning"),
        "state_dict": {f"{_PREFIX}{k}": v for k, v in checkpoint.state.items()},
        "hyper_parameters": {**checkpoint.config, "model": checkpoint.model},
    }
    torch.save(content, path)


_WRITERS = {".ckpt": _save_ckpt, ".safetensors": _save_safetensors}


def check_suffix(path: Path) -> None:
    """Raise GFMError unless :func:`write_checkpoint` supports the suffix."""
    if path.suffix not in _WRITERS:
        raise GFMError(f"cannot write {path}: choose {' or '.join(sorted(_WRITERS))}")


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a ``.safetensors``, or a ``.ckpt`` like that of a run; errors raise GFMError."""
    check_suffix(path)
    write_file(path, lambda temporary: _WRITERS[path.suffix](temporary, checkpoint))
