"""Evaluation: a source of mattes → scoring → results.

A source mattes photos with a network or reads what another method made. Whatever it hands over is
written as PNG, scored, and noted in a journal, from which an interrupted evaluation goes
on and which brings the rows of all processes together.
"""

import importlib
from typing import Any

_HOMES = {
    "Journal": "journal",
    "MatteSource": "scoring",
    "NetworkSource": "network",
    "PredictionSource": "predictions",
    "Rows": "journal",
    "Scorer": "scoring",
    "log_results": "results",
    "write_results": "results",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    # On demand: importing Lightning takes seconds, and comparing two tables does not need it.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
