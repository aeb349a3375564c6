"""The objective of a run: the best value of one logged metric."""

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor


class Objective:
    """Tracks the best value of a metric over all validations of a run, including resumed runs.

    Args:
        name: Name of the metric as logged, such as ``val/sad``; ``None`` for no objective.
        mode: ``min`` if lower values are better, ``max`` if higher.
    """

    def __init__(self, name: str | None, mode: str = "min") -> None:
        self.name = name
        self.mode = mode
        self.best: float | None = None

    def update(self, values: Mapping[str, Tensor]) -> float | None:
        """Take the logged values of a validation; return the best value so far, if any."""
        value = float(values[self.name]) if self.name and self.name in values else math.nan
        if not math.isnan(value):
            better = min if self.mode == "min" else max
            self.best = value if self.best is None else better(value, self.best)
        return self.best

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a checkpoint stores."""
        return {"name": self.name, "mode": self.mode, "best": self.best}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the best value from a checkpoint, if it was made with the same objective."""
        if (state.get("name"), state.get("mode")) == (self.name, self.mode):
            self.best = state.get("best")
