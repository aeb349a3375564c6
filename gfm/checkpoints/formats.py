"""The files that hold weights: those of a run here, released official ones, safetensors.

Nothing is ever unpickled but tensors and plain containers, and what a file says of its network is
checked by :mod:`gfm.checkpoints.trust`.
"""

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from gfm.checkpoints.facts import facts_of
from gfm.checkpoints.integrity import check_archive, check_digest, digest
from gfm.checkpoints.released import State, convert_official, is_official
from gfm.checkpoints.sources import find_checkpoint
from gfm.checkpoints.trust import check_description, check_parts, check_state
from gfm.errors import GFMError
from gfm.system.files import place_aside

_PREFIX = "model."  # of the network's weights among those of the LightningModule
_EXPECTED = "a .ckpt of a training run, a released GFM .pth, or a .safetensors written by gfm"


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds.

    Attributes:
        model: how to build the network, with random weights: a plain ``_target_`` node.
        state: its weights.
        config: of the run that made it; empty for released checkpoints.
    """

    model: dict[str, Any]
    state: State
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def encoder_name(self) -> str:
        """Of the network's encoder, timm's own name where it is one of those."""
        encoder = self.model.get("encoder")
        if not isinstance(encoder, dict):  # of a file that no run wrote
            return "an unknown encoder"
        return str(encoder.get("name", str(encoder.get("_target_")).split(".")[-1]))

    @property
    def inferer(self) -> Any:
        """How the run matted photos, a ``_target_`` node; ``None`` where the file does not say."""
        return self.config.get("inference")


def read_checkpoint(path: Path, trust: Sequence[str] = ()) -> Checkpoint:
    """Reads any supported file, so that its network can be built.

    Args:
        path: of the file, or what :func:`gfm.checkpoints.sources.find_checkpoint` finds it by.
        trust: packages other than this one whose classes the file may name.

    Raises:
        GFMError: the file is missing, damaged, something else, or names what is not trusted.
    """
    checkpoint = read_weights(path)
    for node, package in ((checkpoint.model, "gfm.models"), (checkpoint.inferer, "gfm.inference")):
        check_description(node, [package], trust, path)
    check_parts(checkpoint.model, checkpoint.inferer, path)
    return replace(checkpoint, model=without_pretrained(checkpoint.model))


_PARTS = {
    "inference": ["gfm.inference"],
    "loss": ["gfm.losses"],
    "metrics": ["gfm.metrics"],
    "optimizer": ["torch.optim"],
    "scheduler": ["gfm.training.optimization", "torch.optim"],
}
"""What else a training is built of, and who may define it."""


def read_training(path: Path, trust: Sequence[str] = ()) -> Checkpoint:
    """Reads a checkpoint of a training run, so that all its parts can be built.

    Args:
        path: of the file.
        trust: packages other than this one and torch's whose classes the file may name.

    Raises:
        GFMError: as :func:`read_checkpoint`, or the file says nothing of a training.
    """
    checkpoint = read_checkpoint(path, trust)
    missing = [part for part in _PARTS if part not in checkpoint.config]
    if missing:
        raise GFMError(
            f"{path} says nothing of a training (it lacks {', '.join(missing)}): read its network "
            "by gfm.checkpoints.load_network"
        )
    for part, packages in _PARTS.items():
        check_description(checkpoint.config[part], packages, trust, path)
    return checkpoint


def read_weights(path: Path) -> Checkpoint:
    """Reads any supported file for its weights alone; its descriptions were not checked.

    Raises:
        GFMError: the file is missing, damaged, or something else.
    """
    path = find_checkpoint(path)
    if not path.is_file():
        raise GFMError(f"no checkpoint {path}: set checkpoint=, or init_from=, to {_EXPECTED}")
    read = _read_safetensors if path.suffix == ".safetensors" else _read_torch
    return read(path)


def without_pretrained(node: Any) -> Any:
    """The same network without the download of weights that others will replace."""
    if isinstance(node, dict):
        return {k: k != "pretrained" and without_pretrained(v) for k, v in node.items()}
    return node


def _read_torch(path: Path) -> Checkpoint:
    try:
        check_archive(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of how files were written, and by whom
            content = torch.load(path, map_location="cpu", weights_only=True)
    except GFMError:
        raise
    except OSError as error:
        raise GFMError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # whatever a damaged pickle leads torch to raise
        raise GFMError(
            f"{path} is damaged or no checkpoint of weights alone: expected {_EXPECTED}"
        ) from error
    if isinstance(content, dict) and "pytorch-lightning_version" in content:
        return _of_run(content, path)
    if isinstance(content, dict) and all(isinstance(v, Tensor) for v in content.values()):
        if not is_official(content):
            first = next(iter(content), "nothing")
            raise GFMError(f"{path} is not a GFM network (it holds {first}…): expected {_EXPECTED}")
        check_state(content, path)
        try:
            return Checkpoint(*convert_official(content, path))
        except (LookupError, ZeroDivisionError) as error:
            raise GFMError(f"{path} is not a GFM network: it lacks tensors that one has") from error
    raise GFMError(f"{path} holds no weights: expected {_EXPECTED}")


def _of_run(content: dict[Any, Any], path: Path) -> Checkpoint:
    config = content.get("hyper_parameters")
    if not isinstance(config, dict) or "model" not in config:
        raise GFMError(f"{path} is a checkpoint of another program: expected {_EXPECTED}")
    state = check_state(content.get("state_dict"), path)
    own = {k.removeprefix(_PREFIX): v for k, v in state.items() if k.startswith(_PREFIX)}
    return Checkpoint(config["model"], own, config)


def _read_safetensors(path: Path) -> Checkpoint:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        state = safetensors.torch.load_file(path)
        expected = metadata.pop(_DIGEST, None)
        check_digest(path, state, metadata, expected)
        config = {k: json.loads(metadata[k]) for k in _KEPT if k in metadata}
        return Checkpoint(json.loads(metadata["model"]), state, config)
    except (safetensors.SafetensorError, KeyError, OSError, ValueError, RecursionError) as error:
        raise GFMError(f"{path} is damaged or not ours: expected {_EXPECTED}") from error


_DIGEST = "sha256"  # where the metadata of safetensors hold their digest
_KEPT = ("inference", "licence")  # what is asked of a run's configuration


def _save_safetensors(aside: Path, checkpoint: Checkpoint) -> None:
    state = {k: v.contiguous() for k, v in checkpoint.state.items()}
    described = {"model": checkpoint.model}
    described |= {k: checkpoint.config[k] for k in _KEPT if checkpoint.config.get(k)}
    metadata = facts_of(checkpoint) | {k: json.dumps(v) for k, v in described.items()}
    metadata[_DIGEST] = digest(state, metadata)
    safetensors.torch.save_file(state, aside, metadata)


def _save_ckpt(aside: Path, checkpoint: Checkpoint) -> None:
    content = {
        "pytorch-lightning_version": version("pytorch-lightning"),
        "state_dict": {f"{_PREFIX}{k}": v for k, v in checkpoint.state.items()},
        "hyper_parameters": {**checkpoint.config, "model": checkpoint.model},
    }
    torch.save(content, aside)


_WRITERS = {".ckpt": _save_ckpt, ".safetensors": _save_safetensors}


def check_suffix(path: Path) -> None:
    """Raises a GFMError unless :func:`write_checkpoint` can write such a file."""
    if path.suffix not in _WRITERS:
        raise GFMError(f"cannot write {path}: choose {' or '.join(sorted(_WRITERS))}")


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Writes ``.safetensors``, or a ``.ckpt`` as a run does; complete or not at all.

    Raises:
        GFMError: the path has another suffix, or cannot be written.
    """
    check_suffix(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with place_aside(path) as aside:
            _WRITERS[path.suffix](aside, checkpoint)
    except (OSError, RuntimeError, safetensors.SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise GFMError(f"cannot write {path}: {reason}") from error
