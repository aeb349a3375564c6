"""Converts released official checkpoints: renames their tensors and describes their network."""

import re
from pathlib import Path
from typing import Any

from torch import Tensor

from gfm.errors import GFMError
from gfm.rosta import ROSTAS

State = dict[str, Tensor]
_DECODERS = {"g": "glance", "f": "focus"}


def _convert_key(key: str, is_2b: bool) -> str:
    """Translate the official name of a tensor into ours.

    The official code counts decoder stages from the finest, ours from the deepest. The deepest
    stage is number 4 there, or 6 with the two extra blocks of r34_2b.
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
    if match := re.match(r"encoder(\d)\.", key):
        stage = match[1]
        if is_2b:  # its stem and first stage share a resolution, and so form one stage here
            stage = f"0.{stage}" if int(stage) < 2 else str(int(stage) - 1)
        return f"encoder.stages.{stage}.{key[match.end() :]}"
    return key


def is_official(state: State) -> bool:
    """Return whether the tensors have the names of an official GFM network."""
    names = {str(k).removeprefix("module.") for k in state}
    return {"psp_module.bottleneck.weight", "bridge_block.0.weight"} <= names


def convert_official(official: State, path: Path | str) -> tuple[dict[str, Any], State]:
    """Return the ``_target_`` node of an official network, and its weights under our names.

    Names and shapes of the tensors determine the backbone and the RoSTA, but not whether it is FT
    or BT: the name of the file has to end in ``_ft`` or ``_bt``, else GFMError is raised.
    """
    official = {k.removeprefix("module."): v for k, v in official.items()}
    is_2b = "encoder6.1.conv1.weight" in official
    state = {
        _convert_key(key, is_2b): tensor
        for key, tensor in official.items()
        # Skip duplicate names of the encoder's tensors, and an unused layer of r34_2b.
        if not (key.startswith(("resnet.", "densenet.")) or (is_2b and key.startswith("psp1.")))
    }
    return _describe_network(state, is_2b, Path(path)), state


def _two_class_rosta(path: Path) -> str:
    named = {"ft", "bt"} & set(re.split(r"[^a-z]+", path.stem.lower()))
    if len(named) != 1:
        raise GFMError(f"{path} has RoSTA FT or BT: rename it to end in _ft or _bt")
    return named.pop()


def _describe_network(state: State, is_2b: bool, path: Path) -> dict[str, Any]:
    if "encoder.stages.1.0.denselayer1.conv1.weight" in state:
        name = "gfm_d121"
    elif "encoder.stages.2.0.conv3.weight" in state:
        name = "gfm_r101"
    else:
        name = "gfm_r34_2b" if is_2b else "gfm_r34"
    if "rim.layers.0.weight" in state:
        rosta = "rim"
    else:
        last = [k for k in state if re.match(r"glance\.heads\.0\.\d\.weight", k)][-1]
        rosta = "tt" if state[last].shape[0] == 3 else _two_class_rosta(path)
    stages = len({k.split(".")[2] for k in state if k.startswith("focus.stages.")})
    decoder_channels = [
        state[f"focus.stages.{i}.0.weight"].shape[0] for i in reversed(range(stages))
    ]
    if not is_2b:
        decoder_channels.insert(0, state["focus.heads.0.0.weight"].shape[0])
    return {
        "_target_": f"gfm.models.networks.{name}",
        "rosta": rosta,
        "decoder_channels": decoder_channels,
        "reduction": decoder_channels[-1] // state["focus.stages.0.3.weight"].shape[0],
    }
