"""Imports the packages that the optional extras install."""

import importlib
from typing import Any

from gfm.errors import GFMError


def import_optional(module: str, extra: str, purpose: str) -> Any:
    """Import a module that the extra ``extra`` installs.

    Raises:
        GFMError: The package is missing; the message says that ``purpose`` needs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise GFMError(
            f"{purpose} needs {error.name}: pip install 'gfm-matting[{extra}]'"
        ) from error
