"""Runs the entry points in this process, as the command line would."""

import signal
import sys
from collections.abc import Callable

import pytest
from hydra.core.global_hydra import GlobalHydra

from gfm.cli.hydra_apps import evaluate, train


def status_of(patch: pytest.MonkeyPatch, main: Callable[[], None], *arguments: object) -> int:
    """Return the exit status of ``main`` with these arguments."""
    before = signal.getsignal(signal.SIGTERM)
    with patch.context() as here:
        here.setattr(sys, "argv", ["gfm", *map(str, arguments)])
        here.setenv("HYDRA_FULL_ERROR", "0")
        here.setenv("PYTHONSAFEPATH", "1")  # which the command sets for its children
        here.setattr("warnings.showwarning", lambda *_: None)
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0)
        finally:
            GlobalHydra.instance().clear()
            signal.signal(signal.SIGTERM, before)  # a command that SIGTERM ends leaves it ignored
            signal.alarm(0)
    return 0


def train_status(patch: pytest.MonkeyPatch, *overrides: object) -> int:
    """Return the exit status of ``python train.py`` with these arguments."""
    return status_of(patch, train.main, *overrides)


def evaluate_status(patch: pytest.MonkeyPatch, *overrides: object) -> int:
    """Return the exit status of ``python evaluate.py`` with these arguments."""
    return status_of(patch, evaluate.main, *overrides)
