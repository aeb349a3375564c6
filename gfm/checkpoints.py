"""Checkpoints to networks: those of a run here, released official ones, safetensors.

Nothing is ever unpickled but tensors and plain containers, a checkpoint can name only what
``gfm.models`` and ``gfm.inference`` define, and building its network downloads nothing.
"""

import importlib
import json
import pickle
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from gfm.build import build, targets
from gfm.errors import GFMError
from gfm.models.gfm import GFM
from gfm.released import State, convert_official, is_official

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
        encoder = self.model["encoder"]
        return str(encoder.get("name", encoder["_target_"].split(".")[-1]))


def load_model(path: Path | str) -> tuple[GFM, Checkpoint]:
    """The network of a checkpoint with its weights, in evaluation mode.

    Raises:
        GFMError: the file is missing, damaged, or something else.
    """
    checkpoint = read_checkpoint(Path(path))
    model: GFM = build(checkpoint.model)
    load_weights(model, checkpoint, path)
    return model.eval(), checkpoint


def load_weights(model: GFM, checkpoint: Checkpoint, path: Path | str) -> None:
    """Copies a checkpoint's weights into a network of the same architecture.

    Raises:
        GFMError: backbone or RoSTA differ; ``path`` is for the message.
    """
    own = model.state_dict()
    given = checkpoint.state
    wrong = [k for k in own if k not in given or given[k].shape != own[k].shape]
    extra = [k for k in given if k not in own]
    if wrong or extra:
        raise GFMError(
            f"{path} is of another architecture: {len(wrong)} tensors missing or of another shape, "
            f"{len(extra)} unknown (such as {[*wrong, *extra][0]}); choose its backbone and rosta"
        )
    model.load_state_dict(given)


def read_checkpoint(path: Path) -> Checkpoint:
    """Reads any supported file.

    Raises:
        GFMError: the file is missing, damaged, or something else.
    """
    if not path.is_file():
        raise GFMError(f"no checkpoint {path}: set checkpoint=, or init_from=, to {_EXPECTED}")
    read = _read_safetensors if path.suffix == ".safetensors" else _read_torch
    checkpoint = read(path)
    foreign = [
        (target, module)
        for node, module in ((checkpoint.model, "gfm.models"), (_strategy(checkpoint), _STRATEGIES))
        for target in targets(node)
        if not _defines(module, target)
    ]
    if foreign:
        target, module = foreign[0]
        raise GFMError(f"{path} asks for {target}, which is not a class of {module}")
    return replace(checkpoint, model=without_pretrained(checkpoint.model))


_STRATEGIES = "gfm.inference"


def _strategy(checkpoint: Checkpoint) -> Any:
    return checkpoint.config.get("inference")


def _defines(package: str, target: str) -> bool:
    """Whether a module of the package, or the package itself, defines the target and exports it.

    The prefix alone proves nothing: ``gfm.models.encoders.torch.load`` is torch's.
    """
    module, _, name = target.rpartition(".")
    if module not in (package, f"{package}.{module.rpartition('.')[2]}") or name.startswith("_"):
        return False
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return False
    return getattr(found, "__module__", None) == module


def without_pretrained(node: Any) -> Any:
    """The same network without the download of weights that others will replace."""
    if isinstance(node, dict):
        return {k: k != "pretrained" and without_pretrained(v) for k, v in node.items()}
    return node


def _read_torch(path: Path) -> Checkpoint:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise GFMError(
            f"{path} is damaged or no checkpoint of weights alone: expected {_EXPECTED}"
        ) from error
    except OSError as error:
        raise GFMError(f"cannot read {path}: {error.strerror or error}") from error
    if isinstance(content, dict) and "pytorch-lightning_version" in content:
        config = content.get("hyper_parameters", {})
        if "model" not in config:
            raise GFMError(f"{path} is a checkpoint of another program: expected {_EXPECTED}")
        state = {
            k.removeprefix(_PREFIX): v
            for k, v in content["state_dict"].items()
            if k.startswith(_PREFIX)
        }
        return Checkpoint(config["model"], state, config)
    if isinstance(content, dict) and all(isinstance(v, Tensor) for v in content.values()):
        if not is_official(content):
            first = next(iter(content), "nothing")
            raise GFMError(f"{path} is not a GFM network (it holds {first}…): expected {_EXPECTED}")
        return Checkpoint(*convert_official(content, path))
    raise GFMError(f"{path} holds no weights: expected {_EXPECTED}")


def _read_safetensors(path: Path) -> Checkpoint:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        state = safetensors.torch.load_file(path)
        config = {k: json.loads(metadata[k]) for k in _KEPT if k in metadata}
        return Checkpoint(json.loads(metadata["model"]), state, config)
    except (safetensors.SafetensorError, KeyError, OSError, ValueError) as error:
        raise GFMError(f"{path} is damaged or not ours: expected {_EXPECTED}") from error


_KEPT = ("inference",)  # what evaluation asks of a run's configuration


def save_safetensors(path: Path, checkpoint: Checkpoint) -> None:
    """Writes weights, the network's description and its strategy, aside and renamed."""
    aside = path.with_name(path.name + ".tmp")
    state = {k: v.contiguous() for k, v in checkpoint.state.items()}
    described = {"model": checkpoint.model}
    described |= {k: checkpoint.config[k] for k in _KEPT if checkpoint.config.get(k)}
    metadata = {k: json.dumps(v) for k, v in described.items()}
    safetensors.torch.save_file(state, aside, metadata)
    aside.replace(path)


def _save_ckpt(path: Path, checkpoint: Checkpoint) -> None:
    content = {
        "pytorch-lightning_version": version("pytorch-lightning"),
        "state_dict": {f"{_PREFIX}{k}": v for k, v in checkpoint.state.items()},
        "hyper_parameters": {**checkpoint.config, "model": checkpoint.model},
    }
    aside = path.with_name(path.name + ".tmp")
    torch.save(content, aside)
    aside.replace(path)


WRITERS = {".ckpt": _save_ckpt, ".safetensors": save_safetensors}


def convert(source: Path, target: Path) -> Checkpoint:
    """Writes the weights of any supported file as ``.safetensors``, or as ``.ckpt`` of our own.

    Raises:
        GFMError: see :func:`read_checkpoint`; or the target has another suffix, or no place.
    """
    if target.suffix not in WRITERS:
        raise GFMError(f"cannot write {target}: choose {' or '.join(sorted(WRITERS))}")
    checkpoint = read_checkpoint(source)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        WRITERS[target.suffix](target, checkpoint)
    except (OSError, RuntimeError, safetensors.SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise GFMError(f"cannot write {target}: {reason}") from error
    return checkpoint
