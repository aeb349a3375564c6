"""Finds a checkpoint given as a file, a folder, a model of the Hub, or a released name."""

import re
from pathlib import Path
from typing import Any

from gfm.checkpoints.links import released_file
from gfm.errors import GFMError
from gfm.system.extras import import_optional

HUB_WEIGHTS = "model.safetensors"
"""File in a folder for the Hub that contains weights and a description of the network."""

# One slash or two, because a Path collapses them.
_HUB = re.compile(r"hf:/{1,2}(?P<name>[\w.-]+/[\w.-]+)(@(?P<revision>.+))?")


def find_checkpoint(source: Path | str) -> Path:
    """Return the path of a checkpoint, downloading it from the Hub if needed.

    The source is a file; a folder written by ``gfm export hub``; ``hf://user/name`` or
    ``hf://user/name@revision`` for a model of the Hugging Face Hub; or ``released:r34_2b_tt`` for
    weights that ``gfm download`` fetched. A folder, model or name without weights raises GFMError.
    """
    text = str(source)
    if match := _HUB.fullmatch(text):
        return _from_hub(match["name"], match["revision"])
    if text.startswith("released:"):
        name = text.removeprefix("released:")
        path = released_file(name)
        if not path.is_file():
            raise GFMError(f"{text} is not downloaded yet: run gfm download weights {name}")
        return path
    path = Path(source)
    if not path.is_dir():
        return path
    weights, best = path / HUB_WEIGHTS, path / "checkpoints/best.ckpt"
    if weights.is_file():
        return weights
    if best.is_file():
        raise GFMError(f"{path} is the folder of a run: choose {best}")
    raise GFMError(f"the folder {path} has no {HUB_WEIGHTS}: choose a file in it")


def _from_hub(name: str, revision: str | None) -> Path:
    hub: Any = import_optional("huggingface_hub", "hub", f"hf://{name}")
    errors: Any = import_optional("huggingface_hub.errors", "hub", f"hf://{name}")
    try:
        return Path(hub.hf_hub_download(name, HUB_WEIGHTS, revision=revision))
    except (OSError, ValueError, errors.HfHubHTTPError) as error:
        reason = str(error).strip().splitlines()[0]
        raise GFMError(f"cannot download {HUB_WEIGHTS} of hf://{name}: {reason}") from error
