"""The losses of recent steps, which stay on their device until they are asked for."""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from gfm.errors import GFMError


class LossWatch:
    """Notes the loss of every step without waiting for the device that computes it.

    A GPU works behind the program that feeds it. Looking at a loss makes the program wait until
    the GPU has caught up, and then the GPU until it is fed: so this is done for many steps at once.
    """

    def __init__(self) -> None:
        self.noted: list[tuple[int, Tensor, Sequence[str]]] = []
        self.terms: list[str] = []

    def note(self, step: int, terms: Mapping[str, Tensor], samples: Sequence[str]) -> None:
        """Keeps a step's loss terms, ``total`` among them, and the names of its samples."""
        self.terms = list(terms)
        values = torch.stack([term.detach().float() for term in terms.values()])
        self.noted.append((step, values, samples))

    def fetch(self, mean: Callable[[Tensor], Tensor]) -> dict[str, float]:
        """The terms of the last step noted, none if there was none since the last call.

        Args:
            mean: over all processes, which call this together; may work in place.

        Raises:
            GFMError: the total of a step was not finite, in this process or in another. All raise,
                so that none waits for another.
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
            return f"the loss of another process is not finite at step {step}"
        shown = ", ".join(f"{name} {value:g}" for name, value in terms.items())
        return (
            f"the loss is not finite at step {step} ({shown}; samples {', '.join(samples)}): "
            "lower optimizer.lr, or set trainer.gradient_clip_val"
        )
