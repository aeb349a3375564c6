"""Keeps the losses of recent steps on their device, and checks many of them at once."""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from gfm.errors import GFMError


class LossWatch:
    """Keeps the loss of every step without waiting for the device that computes it.

    A GPU runs behind the program that feeds it. Reading a loss makes the program wait until the GPU
    has caught up, and then the GPU waits for new work. So the losses of many steps are read at
    once.
    """

    def __init__(self) -> None:
        self.noted: list[tuple[int, Tensor, Sequence[str]]] = []
        self.terms: list[str] = []

    def note(self, step: int, terms: Mapping[str, Tensor], samples: Sequence[str]) -> None:
        """Keep the loss terms of a step, including ``total``, and the names of its samples."""
        self.terms = list(terms)
        values = torch.stack([term.detach().float() for term in terms.values()])
        self.noted.append((step, values, samples))

    def fetch(self, mean: Callable[[Tensor], Tensor]) -> dict[str, float]:
        """Check all kept losses, and return the terms of the last step.

        Args:
            mean: Averages a tensor over all processes, which must call it together. It may change
                the tensor.

        Returns:
            The terms by name; empty if no step was kept since the last call.

        Raises:
            GFMError: The total of a step is not finite, in this or another process. All processes
                raise the error, so that none waits for another.
        """
        noted, self.noted = self.noted, []
        if not noted:
            return {}
        own = torch.stack([values for _, values, _ in noted])
        both = torch.stack([own, mean(own.clone())]).tolist()
        for (step, _, samples), values, means in zip(noted, *both, strict=True):
            if not math.isfinite(means[self.terms.index("total")]):
                raise GFMError(self._fault(step, values, samples))
        return dict(zip(self.terms, both[1][-1], strict=True))

    def _fault(self, step: int, values: Sequence[float], samples: Sequence[str]) -> str:
        terms = dict(zip(self.terms, values, strict=True))
        if math.isfinite(terms.pop("total")):
            return f"the loss in another process is not finite at step {step}"
        shown = ", ".join(f"{name} {value:g}" for name, value in terms.items())
        return (
            f"the loss is not finite at step {step} ({shown}; samples {', '.join(samples)}): "
            "lower optimizer.lr, or set trainer.gradient_clip_val"
        )
