"""Recognises errors by which Lightning refuses its options, without importing Lightning.

``tests/compat/test_lightning.py`` shows what breaks if a release changes these errors.
"""

import sys
import traceback
from pathlib import Path


def is_of_lightning(error: BaseException) -> bool:
    """Return whether Lightning refuses an option, such as an interval longer than the epoch."""
    module = sys.modules.get("lightning_fabric.utilities.exceptions")
    if module is not None and isinstance(error, module.MisconfigurationException):
        return True
    frames = traceback.extract_tb(error.__traceback__)
    is_inside = bool(frames) and "pytorch_lightning" in Path(frames[-1].filename).parts
    return isinstance(error, ValueError) and is_inside
