"""Runs ``gfm train`` and ``gfm evaluate``, whose arguments Hydra reads."""

import os
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

HYDRA_APPS: Final = {
    "train": "Train a network: gfm train backbone=r34 track=ori (overrides as for train.py).",
    "evaluate": "Score mattes: gfm evaluate checkpoint=best.ckpt (overrides as for evaluate.py).",
}


def become(name: str, arguments: Sequence[str]) -> NoReturn:
    """Replace this process by one of the Hydra apps.

    It runs as a module, so that Lightning can start it again for each GPU, and Hydra names the run
    after it.
    """
    os.execv(sys.executable, [sys.executable, "-m", f"gfm.run.{name}", *arguments])
