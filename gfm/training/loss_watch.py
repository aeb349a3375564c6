"""Keeps recent losses on the device, and checks many of them at once."""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from gfm.errors import GFMError


class LossWatch:
    """Keeps the loss of every step without synchronising with the device.

    A GPU runs asynchronously. Reading a loss blocks until it has caught up, after which it idles
    until new work arrives; so the losses of many steps are read at once.
    """

    def __init__(self) -> None:
        self.pending: list[tuple[int, Tensor, Sequence[str]]] = []
        self.terms: list[str] = []

    def append(self, step: int, terms: Mapping[str, Tensor], samples: Sequence[str]) -> None:
        """Keep the loss terms of a step, including ``total``, and the names of its samples."""
        self.terms = list(terms)
        values = torch.stack([term.detach().float() for term in terms.values()])
        self.pending.append((step, values, samples))

    def fetch(self, mean: Callable[[Tensor], Tensor]) -> dict[str, float]:
        """Check all kept losses, and return the terms of the last step, averaged over all ranks.

        Args:
            mean: Collective operation that averages a tensor over all ranks; may work in place.

        Returns:
            The terms by name; empty if no step was kept since the last call.

        Raises:
            GFMError: The total of a step is not finite on some rank. All ranks raise the error, so
                that none is left waiting for the others.
        """
        pending, self.pending = self.pending, []
        if not pending:
            return {}
        own = torch.stack([values for _, values, _ in pending])
        both = torch.stack([own, mean(own.clone())]).tolist()
        for (step, _, samples), values, means in zip(pending, *both, strict=True):
            if not math.isfinite(means[self.terms.index("total")]):
                raise GFMError(self._describe(step, values, samples))
        return dict(zip(self.terms, both[1][-1], strict=True))

    def _describe(self, step: int, values: Sequence[float], samples: Sequence[str]) -> str:
        terms = dict(zip(self.terms, values, strict=True))
        if math.isfinite(terms.pop("total")):
            return f"the loss in another process is not finite at step {step}"
        shown = ", ".join(f"{name} {value:g}" for name, value in terms.items())
        return (
            f"the loss is not finite at step {step} ({shown}; samples {', '.join(samples)}): "
            "lower optimizer.lr, or set trainer.gradient_clip_val"
        )
