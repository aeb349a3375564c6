"""Options that are paths."""

from pathlib import Path
from typing import Any

from gfm.errors import GFMError


def as_path(value: Any, option: str, is_needed: bool = False) -> Path | None:
    """The value of an option as a path, ``None`` where it may be missing.

    Raises:
        GFMError: It is no text, as ``1`` or ``[a]`` on a command line.
    """
    if value is None and not is_needed:
        return None
    if not isinstance(value, str | Path):
        shown = "null" if value is None else value
        raise GFMError(f"{option}={shown}: give a path, in quotes where it looks like a number")
    return Path(value)
