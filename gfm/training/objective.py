"""What a run is judged by: the best value so far of one logged metric."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from gfm.errors import GFMError


class Objective:
    """Remembers the best value of a metric over the validations of a run, interruptions included.

    Args:
        name: of the metric as logged, such as ``val/sad``; ``None`` judges nothing.
        mode: ``min`` or ``max``: which values are better.

    Raises:
        GFMError: there is no such mode.
    """

    def __init__(self, name: str | None, mode: str = "min") -> None:
        if mode not in ("min", "max"):
            raise GFMError(f"objective_mode={mode} is neither min nor max")
        self.name = name
        self.mode = mode
        self.best: float | None = None

    def update(self, values: Mapping[str, Tensor]) -> float | None:
        """Takes a validation's values; returns the best of all so far, if there is one.

        Args:
            values: by their logged names.
        """
        value = float(values[self.name]) if self.name and self.name in values else math.nan
        if not math.isnan(value) and (self.best is None or self._is_better(value, self.best)):
            self.best = value
        return self.best

    def _is_better(self, value: float, other: float) -> bool:
        return value < other if self.mode == "min" else value > other

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"name": self.name, "mode": self.mode, "best": self.best}

    def load(self, state: Mapping[str, Any]) -> None:
        """Goes on from a checkpoint, unless that run was judged by something else."""
        if (state.get("name"), state.get("mode")) == (self.name, self.mode):
            self.best = state.get("best")


def check_objective(name: str, metrics: Iterable[str]) -> None:
    """Raises a GFMError where a validation will not log such a metric.

    Args:
        name: of the objective.
        metrics: of a validation, by their plain names.
    """
    known = [f"val/{metric}" for metric in metrics]
    if name.startswith("val/") and name not in known:
        raise GFMError(f"objective={name} is not logged: choose one of {', '.join(known)}")
