"""Checks options that are paths."""

from pathlib import Path
from typing import Any

from gfm.errors import GFMError


def as_path(value: Any, option: str, is_needed: bool = False) -> Path | None:
    """Return the value of an option as a path, or ``None`` if it is not set.

    Args:
        value: Value of the option.
        option: Name of the option, for the message.
        is_needed: Whether the option must be set.

    Raises:
        GFMError: The value is not a string, such as ``1`` or ``[a]`` on a command line, or it is
            required but not set.
    """
    if value is None and not is_needed:
        return None
    if not isinstance(value, str | Path):
        shown = "null" if value is None else value
        raise GFMError(f"{option}={shown}: give a path, in quotes where it looks like a number")
    return Path(value)
