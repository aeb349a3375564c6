"""Imports packages that only some commands need, and that are installed by an extra."""

import importlib
from typing import Any

from gfm.errors import GFMError


def need(module: str, extra: str, purpose: str) -> Any:
    """Import a module of an optional package.

    Args:
        module: Name of the module.
        extra: Extra of this package that installs it.
        purpose: What the module is needed for, for the message.

    Raises:
        GFMError: The package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise GFMError(
            f"{purpose} needs {error.name}: pip install 'gfm-matting[{extra}]'"
        ) from error
