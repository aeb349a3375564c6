"""Packages that only some commands need, and that an extra of this one installs."""

import importlib
from typing import Any

from gfm.errors import GFMError


def need(module: str, extra: str, purpose: str) -> Any:
    """A module of an optional package.

    Args:
        module: to import.
        extra: of this package, which installs it.
        purpose: what it is needed for, for the message.

    Raises:
        GFMError: the package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise GFMError(
            f"{purpose} needs {error.name}: pip install 'gfm-matting[{extra}]'"
        ) from error
