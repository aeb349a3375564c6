"""Links to the weights and datasets that the authors publish."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

from gfm.errors import GFMError


@cache
def links() -> dict[str, Any]:
    """Return the content of ``links.json``: ``weights`` and ``datasets`` by published name."""
    content: dict[str, Any] = json.loads(Path(__file__).with_name("links.json").read_text())
    return content


def weights_names() -> list[str]:
    """Return the names of the released weights, such as ``r34_2b_tt``."""
    return [name.removeprefix("gfm_") for name in links()["weights"]]


def released_file(name: str) -> Path:
    """Return where ``gfm download weights NAME`` stores weights: in ``GFM_CACHE``, or a user cache.

    An unknown name raises GFMError.
    """
    name = name.removeprefix("gfm_")
    if name not in weights_names():
        known = ", ".join(weights_names())
        raise GFMError(f"no weights were released as {name!r}: choose one of {known}")
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get("GFM_CACHE") or cache_home / "gfm-matting")
    return folder / "weights" / f"gfm_{name}.pth"
