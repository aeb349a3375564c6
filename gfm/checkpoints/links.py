"""Where the authors publish weights and datasets: facts of their guide, in ``links.json``."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

from gfm.errors import GFMError


@cache
def links() -> dict[str, Any]:
    """The content of ``links.json``: ``weights`` and ``datasets`` by their published names."""
    content: dict[str, Any] = json.loads(Path(__file__).with_name("links.json").read_text())
    return content


def weights_names() -> list[str]:
    """Of the released weights, such as ``r34_2b_tt``."""
    return [name.removeprefix("gfm_") for name in links()["weights"]]


def released_file(name: str) -> Path:
    """Where ``gfm download weights NAME`` puts them: below ``GFM_CACHE``, else the user's cache.

    Raises:
        GFMError: none are released by that name.
    """
    name = name.removeprefix("gfm_")
    if name not in weights_names():
        known = ", ".join(weights_names())
        raise GFMError(f"no weights were released as {name!r}: choose one of {known}")
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get("GFM_CACHE") or cache_home / "gfm-matting")
    return folder / "weights" / f"gfm_{name}.pth"
