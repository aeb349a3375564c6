"""Classifies Lightning's exceptions without importing Lightning, which takes seconds.

``tests/compat/test_lightning.py`` fails if a release changes these exceptions.
"""

import sys
import traceback
from pathlib import Path

from gfm.errors import INTERRUPTED, TERMINATED, TRY_AGAIN


def is_misconfiguration(error: BaseException) -> bool:
    """Return whether Lightning rejected an option, such as an interval longer than the epoch."""
    module = sys.modules.get("lightning_fabric.utilities.exceptions")
    if module is not None and isinstance(error, module.MisconfigurationException):
        return True
    frames = traceback.extract_tb(error.__traceback__)
    raised_in = Path(frames[-1].filename) if frames else Path()
    if raised_in.parts[-2:] == ("environments", "slurm.py"):  # options of srun
        return isinstance(error, ValueError | RuntimeError)
    return isinstance(error, ValueError) and "pytorch_lightning" in raised_in.parts


def exit_status_after_signal(error: SystemExit | KeyboardInterrupt) -> int | None:
    """Return the exit status of a command that a signal ended; ``None`` if none did.

    SIGTERM gives :data:`TRY_AGAIN` for runs, and :data:`TERMINATED` for file tools.
    """
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    # Lightning exits in this way on Control-C if no callback handles it.
    if isinstance(error.__context__, KeyboardInterrupt) and error.code == 1:
        return INTERRUPTED
    module = sys.modules.get("pytorch_lightning.utilities.exceptions")
    if module is not None and isinstance(error, module.SIGTERMException):
        return int(error.code or TRY_AGAIN)
    return TERMINATED if error.code == TERMINATED else None
