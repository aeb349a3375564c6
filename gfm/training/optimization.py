"""Learning rates: over the steps of a run, and over the layers of the network."""

import math
from collections.abc import Sequence
from typing import Any, Literal

from torch import Tensor, nn
from torch.nn import Parameter
from torch.nn.utils import clip_grad_value_, clip_grads_with_norm_, get_total_norm
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from gfm.errors import GFMError
from gfm.models.gfm import GFM

Groups = list[dict[str, Any]]
"""Parameter groups as optimisers take them."""


WeightDecayOn = Literal["all", "weights"]


def parameter_groups(
    model: GFM, layer_decay: float = 1.0, weight_decay_on: WeightDecayOn = "all"
) -> Groups:
    """Parameters by how fast they should learn, and by whether weight decay shrinks them.

    A pretrained encoder needs less change the closer a layer is to the image (Clark et al.,
    ELECTRA, ICLR 2020): decoders learn at the full rate, the encoder's deepest stage at
    ``layer_decay`` of it, the stage before at its square, and so on. An encoder without ``stages``
    is one stage.

    Args:
        model: the network.
        layer_decay: above 0, at most 1; at 1 all parameters learn at the same rate.
        weight_decay_on: ``weights`` spares biases and the scales and shifts of norms, which are
            vectors; ``all`` spares nothing.

    Returns:
        groups with ``params``, and with ``scale`` for :func:`scale_rates`.

    Raises:
        GFMError: an option is out of range, or nothing is left to learn.
    """
    if weight_decay_on not in ("all", "weights"):
        raise GFMError(f"weight_decay_on={weight_decay_on} is neither all nor weights")
    groups = _by_rate(model, layer_decay)
    if weight_decay_on == "weights":
        groups = [part for group in groups for part in _by_decay(group)]
    if not any(group["params"] for group in groups):
        raise GFMError("no parameter is left to learn: freeze fewer parts")
    return groups


def _by_decay(group: dict[str, Any]) -> Groups:
    shrunk: list[nn.Parameter] = [p for p in group["params"] if p.ndim > 1]
    spared = [p for p in group["params"] if p.ndim <= 1]
    parts = [{**group, "params": shrunk}, {**group, "params": spared, "weight_decay": 0.0}]
    return [part for part in parts if part["params"]]


def _by_rate(model: GFM, layer_decay: float) -> Groups:
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


def describe(optimizer: Optimizer) -> Groups:
    """The options of each group, without its parameters."""
    return [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups]


def renew(optimizer: Optimizer, groups: Groups, schedules: Sequence[LRScheduler]) -> None:
    """Gives a restored optimiser its options of now, at the place in the schedule where it is.

    A checkpoint brings the learning rate, the weight decay and all else that the run had before.

    Args:
        optimizer: restored from a checkpoint.
        groups: of :func:`describe`, before a schedule touched them; with the full learning rate.
        schedules: restored as well.
    """
    for group, new in zip(optimizer.param_groups, groups, strict=True):
        rate = new["lr"]
        if "initial_lr" in group:  # it has a schedule, which multiplies the full rate
            before = group["initial_lr"] or 1.0
            rate = group["lr"] if before == rate else group["lr"] / before * rate
            new = {**new, "initial_lr": new["lr"]}
        group.update({**new, "lr": rate})
    for schedule in schedules:
        schedule.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        if isinstance(schedule, LambdaLR):  # known as a function of the step: it is asked anew
            for group, factor in zip(optimizer.param_groups, schedule.lr_lambdas, strict=True):
                group["lr"] = group["initial_lr"] * factor(schedule.last_epoch)


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
