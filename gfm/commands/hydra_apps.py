"""``gfm train`` and ``gfm evaluate``, whose arguments are Hydra's."""

import os
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

HYDRA_APPS: Final = {
    "train": "Train a network: gfm train backbone=r34 track=ori (overrides as for train.py).",
    "evaluate": "Score mattes: gfm evaluate checkpoint=best.ckpt (overrides as for evaluate.py).",
}


def become(name: str, arguments: Sequence[str]) -> NoReturn:
    """Runs one of them in place of this process.

    As a module: so Lightning can start it again for each GPU, and Hydra names the run after it.
    """
    os.execv(sys.executable, [sys.executable, "-m", f"gfm.commands.{name}", *arguments])
