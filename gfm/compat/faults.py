"""Recognises what Lightning raises, without importing Lightning, which takes seconds.

``tests/compat/test_lightning.py`` shows what breaks if a release changes these errors.
"""

import os
import sys
import traceback
from pathlib import Path

from gfm.errors import INTERRUPTED


def is_of_lightning(error: BaseException) -> bool:
    """Return whether Lightning refuses an option, such as an interval longer than the epoch."""
    module = sys.modules.get("lightning_fabric.utilities.exceptions")
    if module is not None and isinstance(error, module.MisconfigurationException):
        return True
    frames = traceback.extract_tb(error.__traceback__)
    is_inside = bool(frames) and "pytorch_lightning" in Path(frames[-1].filename).parts
    return isinstance(error, ValueError) and is_inside


def status_after_signal(error: SystemExit | KeyboardInterrupt) -> int | None:
    """Return the exit status of a run that a signal ended; ``None`` if no signal did.

    SIGTERM gives 75 (``EX_TEMPFAIL``), which tells schedulers to try again.
    """
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    # Lightning turns Control-C into such an exit if no callback handles it.
    if isinstance(error.__context__, KeyboardInterrupt) and error.code == 1:
        return INTERRUPTED
    module = sys.modules.get("pytorch_lightning.utilities.exceptions")
    if module is None or not isinstance(error, module.SIGTERMException):
        return None
    return int(error.code or os.EX_TEMPFAIL)
