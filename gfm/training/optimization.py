"""Learning rates: over the steps of a run, and over the layers of the network."""

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn import Parameter
from torch.nn.utils import clip_grad_value_, clip_grads_with_norm_, get_total_norm
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from gfm.errors import GFMError
from gfm.models.gfm import GFM

Groups = list[dict[str, Any]]
"""Parameter groups as optimisers take them."""


def parameter_groups(model: GFM, layer_decay: float = 1.0) -> Groups:
    """Parameters by how fast they should learn.

    A pretrained encoder needs less change the closer a layer is to the image (Clark et al.,
    ELECTRA, ICLR 2020): decoders learn at the full rate, the encoder's deepest stage at
    ``layer_decay`` of it, the stage before at its square, and so on. An encoder without ``stages``
    is one stage.

    Args:
        model: the network.
        layer_decay: above 0, at most 1; at 1 all parameters make one group.

    Returns:
        groups with ``params``, and with ``scale`` for :func:`scale_rates`.

    Raises:
        GFMError: ``layer_decay`` is out of range.
    """
    if not 0 < layer_decay <= 1:
        raise GFMError(f"layer_decay={layer_decay} is not above 0 and at most 1")
    trained = [p for p in model.parameters() if p.requires_grad]
    if layer_decay == 1:
        return [{"params": trained}]
    stages = list(getattr(model.encoder, "stages", [model.encoder]))
    groups: Groups = []
    for depth, stage in enumerate(reversed(stages), start=1):
        own = [p for p in stage.parameters() if p.requires_grad]
        groups.append({"params": own, "scale": layer_decay**depth})
    inside = {id(p) for group in groups for p in group["params"]}
    return [{"params": [p for p in trained if id(p) not in inside], "scale": 1.0}, *groups]


def scale_rates(optimizer: Optimizer) -> None:
    """Multiplies each group's learning rate by its ``scale``, once."""
    for group in optimizer.param_groups:
        group["lr"] *= group.pop("scale", 1.0)


def clip_gradients(
    parameters: Sequence[Parameter], limit: float | None, by_value: bool = False
) -> Tensor:
    """Shortens gradients in place, without waiting for the device.

    Args:
        parameters: with gradients.
        limit: longest of all gradients together (L2); with ``by_value`` the largest of any number
            in them. ``None`` or 0 does not clip.
        by_value: see there.

    Returns:
        the length of all gradients together before.
    """
    norm = get_total_norm([p.grad for p in parameters if p.grad is not None])
    if limit and by_value:
        clip_grad_value_(parameters, limit)
    elif limit:
        clip_grads_with_norm_(parameters, limit, norm)
    return norm


def warmup_cosine(
    optimizer: Optimizer, total_steps: int, warmup: float, final: float
) -> LRScheduler:
    """Learning rate that rises linearly, then falls along half a cosine.

    Args:
        optimizer: whose rate is the peak.
        total_steps: of the run.
        warmup: part of the steps in which it rises.
        final: part of the peak that is left at the end; 1 keeps the rate constant.
    """
    num_warmup = round(total_steps * warmup)

    def factor(step: int) -> float:
        if step < num_warmup:
            return (step + 1) / (num_warmup + 1)
        progress = (step - num_warmup) / max(1, total_steps - num_warmup)
        return final + (1 - final) * (1 + math.cos(math.pi * min(progress, 1))) / 2

    return LambdaLR(optimizer, factor)
