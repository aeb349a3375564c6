"""What a checkpoint may be given as: a file, a folder, a model of the Hub, a released one."""

import re
from pathlib import Path
from typing import Any

from gfm.checkpoints.links import released_file
from gfm.errors import GFMError
from gfm.system.extras import need

HUB_WEIGHTS = "model.safetensors"
"""The weights in a folder for the Hub, which also say how to build their network."""

# A Path has made one slash of two.
_HUB = re.compile(r"hf:/{1,2}(?P<name>[\w.-]+/[\w.-]+)(@(?P<revision>.+))?")


def find_checkpoint(source: Path | str) -> Path:
    """The file that is meant.

    Args:
        source: a file; a folder that ``gfm export hub`` wrote; ``hf://user/name`` or
            ``hf://user/name@revision`` of the Hugging Face Hub; ``released:r34_2b_tt``, of the
            weights that ``gfm download`` fetched.

    Raises:
        GFMError: the folder holds none, the model cannot be had, or was not downloaded yet.
    """
    text = str(source)
    if match := _HUB.fullmatch(text):
        return _from_hub(match["name"], match["revision"])
    if text.startswith("released:"):
        name = text.removeprefix("released:")
        path = released_file(name)
        if not path.is_file():
            raise GFMError(f"{text} is not here yet: gfm download weights {name}")
        return path
    path = Path(source)
    if path.is_dir():
        if not (path / HUB_WEIGHTS).is_file():
            raise GFMError(f"the folder {path} holds no {HUB_WEIGHTS}: name a file in it")
        return path / HUB_WEIGHTS
    return path


def _from_hub(name: str, revision: str | None) -> Path:
    hub: Any = need("huggingface_hub", "hub", f"hf://{name}")
    errors: Any = need("huggingface_hub.errors", "hub", f"hf://{name}")
    try:
        return Path(hub.hf_hub_download(name, HUB_WEIGHTS, revision=revision))
    except (OSError, ValueError, errors.HfHubHTTPError) as error:
        reason = str(error).strip().splitlines()[0]
        raise GFMError(f"cannot get {HUB_WEIGHTS} of hf://{name}: {reason}") from error
