"""Runs ``gfm train`` and ``gfm evaluate``, whose arguments Hydra parses."""

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

HYDRA_APPS: Final = {
    "train": "Train a network: gfm train backbone=r34 track=ori (overrides as for train.py).",
    "evaluate": "Score mattes: gfm evaluate checkpoint=best.ckpt (overrides as for evaluate.py).",
}


def run_script(name: str, arguments: Sequence[str]) -> None:
    """Run an app as the script beside this file, which Lightning can start for each device."""
    sys.argv = [str(Path(__file__).with_name(f"{name}.py")), *arguments]
    import_module(f"gfm.cli.hydra_apps.{name}").main()
