"""Checkpoints to networks: those of a run here, released official ones, safetensors.

Nothing is ever unpickled but tensors and plain containers, and a checkpoint can name only the
classes of ``gfm.models``.
"""

import json
import pickle
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from gfm.build import build, targets
from gfm.errors import GFMError
from gfm.models.gfm import GFM
from gfm.rosta import ROSTAS

State = dict[str, Tensor]

_EXPECTED = "a .ckpt of a training run, a released GFM .pth, or a .safetensors written by gfm"


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds.

    Attributes:
        model: how to build the network: a plain ``_target_`` node.
        state: its weights.
        config: of the run that made it; empty for released checkpoints.
    """

    model: dict[str, Any]
    state: State
    config: dict[str, Any] = field(default_factory=dict)


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
    foreign = [t for t in targets(checkpoint.model) if not t.startswith("gfm.models.")]
    if foreign:
        raise GFMError(f"{path} asks for {foreign[0]}, which is not a class of gfm.models")
    return checkpoint


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
        prefix = "model."
        state = {
            k.removeprefix(prefix): v
            for k, v in content["state_dict"].items()
            if k.startswith(prefix)
        }
        return Checkpoint(config["model"], state, config)
    if isinstance(content, dict) and all(isinstance(v, Tensor) for v in content.values()):
        return convert_official(content, path)
    raise GFMError(f"{path} holds no weights: expected {_EXPECTED}")


def _read_safetensors(path: Path) -> Checkpoint:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        state = safetensors.torch.load_file(path)
        return Checkpoint(json.loads(metadata["model"]), state)
    except (safetensors.SafetensorError, KeyError, OSError, ValueError) as error:
        raise GFMError(f"{path} is damaged or not ours: expected {_EXPECTED}") from error


def save_safetensors(path: Path, checkpoint: Checkpoint) -> None:
    """Writes weights and the network's description, aside and renamed."""
    aside = path.with_name(path.name + ".tmp")
    state = {k: v.contiguous() for k, v in checkpoint.state.items()}
    safetensors.torch.save_file(state, aside, {"model": json.dumps(checkpoint.model)})
    aside.replace(path)


_DECODERS = {"g": "glance", "f": "focus"}


def _our_name(key: str, is_2b: bool) -> str:
    """Our name of an official tensor.

    The official code counts stages from the finest; ours from the deepest, which it calls 4, or 6
    with the two extra blocks of r34_2b.
    """
    deep = 6 if is_2b else 4
    key = re.sub(r"^psp_module\.", "glance.pyramid.", key)
    key = re.sub(r"^bridge_block\.", "focus.bridge.", key)
    key = re.sub(r"^rim\.", "rim.layers.", key)
    if match := re.match(r"psp(\d)\.", key):
        return f"glance.context.{deep - int(match[1])}.{key[match.end() :]}"
    if match := re.match(r"decoder0_([gf])(?:_(tt|ft|bt))?\.", key):
        branches = [branch.name for branch in ROSTAS["rim"]]
        head = branches.index(match[2]) if match[2] else 0
        return f"{_DECODERS[match[1]]}.heads.{head}.{key[match.end() :]}"
    if match := re.match(r"decoder(\d)_([gf])\.", key):
        return f"{_DECODERS[match[2]]}.stages.{deep - int(match[1])}.{key[match.end() :]}"
    return _encoder_name(key, is_2b)


def _encoder_name(key: str, is_2b: bool) -> str:
    match = re.match(r"encoder(\d)\.", key)
    if not match:
        return key
    stage, rest = int(match[1]), key[match.end() :]
    if not is_2b:
        return f"encoder.stages.{stage}.{rest}"
    # Stem and first stage work at the same resolution there: one feature, one stage.
    return f"encoder.stages.{f'0.{stage}' if stage < 2 else stage - 1}.{rest}"


def convert_official(official: State, path: Path | str = "the checkpoint") -> Checkpoint:
    """A released state dict in our names; backbone and RoSTA are read off its keys.

    Args:
        official: with or without the ``module.`` prefix of DataParallel.
        path: for messages.

    Raises:
        GFMError: the keys are not those of a GFM network.
    """
    official = {k.removeprefix("module."): v for k, v in official.items()}
    if not {"psp_module.bottleneck.weight", "bridge_block.0.weight"} <= official.keys():
        first = next(iter(official), "nothing")
        raise GFMError(f"{path} is not a GFM network (it holds {first}…): expected {_EXPECTED}")
    is_2b = "encoder6.1.conv1.weight" in official
    state = {
        _our_name(key, is_2b): tensor
        for key, tensor in official.items()
        # Not the classifier, a second name of each encoder tensor, nor an unused layer of r34_2b.
        if not (key.startswith(("resnet.", "densenet.")) or (is_2b and key.startswith("psp1.")))
    }
    return Checkpoint(_official_model(state, is_2b, Path(path)), state)


def _two_class_rosta(path: Path) -> str:
    # FT and BT have the same tensors; only the file's name, as released, tells them apart.
    named = {"ft", "bt"} & set(re.split(r"[^a-z]+", path.stem.lower()))
    if len(named) != 1:
        raise GFMError(f"{path} is of RoSTA FT or BT: rename it to end in _ft or _bt, whichever")
    return named.pop()


def _official_model(state: State, is_2b: bool, path: Path) -> dict[str, Any]:
    if "encoder.stages.1.0.denselayer1.conv1.weight" in state:
        encoder = "densenet121"
    elif "encoder.stages.2.0.conv3.weight" in state:
        encoder = "resnet101"
    else:
        encoder = "resnet34_2b" if is_2b else "resnet34"
    if "rim.layers.0.weight" in state:
        rosta = "rim"
    else:
        last = [k for k in state if re.match(r"glance\.heads\.0\.\d\.weight", k)][-1]
        rosta = "tt" if state[last].shape[0] == 3 else _two_class_rosta(path)
    stages = len({k.split(".")[2] for k in state if k.startswith("focus.stages.")})
    widths = [state[f"focus.stages.{i}.0.weight"].shape[0] for i in reversed(range(stages))]
    if not is_2b:
        widths.insert(0, state["focus.heads.0.0.weight"].shape[0])
    return {
        "_target_": "gfm.models.gfm.GFM",
        "encoder": {"_target_": f"gfm.models.encoders.{encoder}"},
        "rosta": rosta,
        "widths": widths,
        "reduction": widths[-1] // state["focus.stages.0.3.weight"].shape[0],
    }
