"""Learning rates by layer and by step, weight decay, and gradient clipping."""

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import Parameter
from torch.nn.utils import clip_grad_value_, clip_grads_with_norm_, get_total_norm
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau

from gfm.errors import GFMError
from gfm.models.gfm import GFM

Groups = list[dict[str, Any]]
"""Parameter groups as optimisers take them."""

WeightDecayOn = Literal["all", "weights"]


def parameter_groups(
    model: GFM, layer_decay: float = 1.0, weight_decay_on: WeightDecayOn = "all"
) -> Groups:
    """Group the parameters by their learning rate, and by whether weight decay applies to them.

    The closer a layer of a pretrained encoder is to the image, the less it has to change (Clark et
    al., ELECTRA, ICLR 2020). The decoders train at the full rate, the deepest stage of the encoder
    at ``layer_decay`` times that rate, the stage before at ``layer_decay`` squared, and so on. An
    encoder without ``stages`` counts as one stage.

    Args:
        model: Network to train.
        layer_decay: Factor above 0 and at most 1; with 1 all parameters learn at the same rate.
        weight_decay_on: ``all``, or ``weights``, which exempts vectors: biases, and the scales and
            shifts of normalisation layers.

    Returns:
        Groups with ``params``, and with ``scale`` for :func:`make_optimizer`.

    Raises:
        GFMError: All parameters are frozen.
    """
    groups = _by_rate(model, layer_decay)
    if weight_decay_on == "weights":
        groups = [part for group in groups for part in _by_decay(group)]
    if not any(group["params"] for group in groups):
        raise GFMError("no parameter is left to train: freeze fewer parts")
    return groups


def _by_decay(group: dict[str, Any]) -> Groups:
    decayed: list[nn.Parameter] = [p for p in group["params"] if p.ndim > 1]
    exempt = [p for p in group["params"] if p.ndim <= 1]
    parts = [{**group, "params": decayed}, {**group, "params": exempt, "weight_decay": 0.0}]
    return [part for part in parts if part["params"]]


def _by_rate(model: GFM, layer_decay: float) -> Groups:
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


def make_optimizer(factory: Callable[[Groups], Optimizer], groups: Groups) -> Optimizer:
    """Make an optimiser from the groups of :func:`parameter_groups`.

    The learning rate of each group is multiplied by its ``scale``.

    Raises:
        GFMError: The optimiser does not accept the arguments in ``factory``.
    """
    optimizer: Optimizer = _build("optimizer", factory, groups)
    for group in optimizer.param_groups:
        group["lr"] *= group.pop("scale", 1.0)
    optimizer.register_load_state_dict_post_hook(_match_memory_format)
    return optimizer


def make_schedule(
    factory: Callable[..., LRScheduler], optimizer: Optimizer, total_steps: int
) -> LRScheduler:
    """Make a schedule, and pass it the number of steps if it accepts ``total_steps``.

    Raises:
        GFMError: The schedule does not accept the arguments in ``factory``, follows a metric, or
            ignores the learning rates of layers.
    """
    num_rates = len({group["lr"] for group in optimizer.param_groups})
    parameters = inspect.signature(factory).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    takes_steps = takes_any or "total_steps" in parameters
    options = {"total_steps": total_steps} if takes_steps else {}
    schedule: LRScheduler = _build("scheduler", factory, optimizer, **options)
    name = type(schedule).__name__
    if isinstance(schedule, ReduceLROnPlateau):
        raise GFMError(
            f"scheduler: {name} follows a metric, but schedules here depend on the step alone: "
            "choose one that does, such as torch.optim.lr_scheduler.CosineAnnealingLR"
        )
    if len({group["lr"] for group in group_options(optimizer)}) < num_rates:
        raise GFMError(
            f"scheduler: {name} gives all layers the same learning rate: set layer_decay=1, or "
            "choose a schedule that multiplies their rates"
        )
    return schedule


def _build(option: str, factory: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    try:
        return factory(*args, **kwargs)
    except (TypeError, ValueError) as error:
        raise GFMError(
            f"cannot build {option}: {error}; remove an argument with ~{option}.<name>, or add one "
            f"with +{option}.<name>=<value>"
        ) from error


def _match_memory_format(optimizer: Optimizer) -> None:
    """Convert the loaded state of an optimiser to the memory format of its parameters.

    A resumed run may use a different memory format from the saved one. Fused optimisers ignore
    strides: on CPUs they would pair the moments with the wrong weights, without an error.
    """
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def group_options(optimizer: Optimizer) -> Groups:
    """Return the options of each group, without its parameters.

    ``lr`` is the base rate, which the schedule multiplies. Some schedules set it themselves, so
    make the schedule first.
    """
    options = [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups]
    return [{**group, "lr": group.get("initial_lr", group["lr"])} for group in options]


def apply_options(optimizer: Optimizer, groups: Groups, schedules: Sequence[LRScheduler]) -> None:
    """Apply the current options to a restored optimiser, at the same position in the schedule.

    A checkpoint restores the schedules, and the optimiser with its earlier learning rate, weight
    decay and other options. The current options are those of :func:`group_options`.
    """
    for group, new in zip(optimizer.param_groups, groups, strict=True):
        rate = new["lr"]
        if "max_momentum" in group:  # OneCycleLR changes the momentum, too
            new = {k: v for k, v in new.items() if k not in ("betas", "momentum")}
        if "initial_lr" in group:  # the base rate, which the schedule multiplies
            before = group["initial_lr"] or 1.0
            rate = group["lr"] if before == rate else group["lr"] / before * rate
            new = {**new, "initial_lr": new["lr"]}
        group.update({**new, "lr": rate})
    for schedule in schedules:
        schedule.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        if isinstance(schedule, LambdaLR):  # a function of the step, so the rate can be computed
            for group, factor in zip(optimizer.param_groups, schedule.lr_lambdas, strict=True):
                group["lr"] = group["initial_lr"] * factor(schedule.last_epoch)


def clip_gradients(
    parameters: Sequence[Parameter], limit: float | None, by_value: bool = False
) -> Tensor:
    """Clip gradients in place, without waiting for the device.

    Args:
        parameters: Parameters with gradients.
        limit: Maximum total L2 norm of the gradients or, with ``by_value``, the maximum absolute
            value of an element. ``None`` or 0 does not clip.
        by_value: Whether ``limit`` applies to each element instead of the norm.

    Returns:
        The total L2 norm before clipping.
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
    """Make a schedule with a linear warm-up, followed by a cosine decay.

    Args:
        optimizer: Optimiser whose learning rate is the peak.
        total_steps: Number of steps of the run.
        warmup: Fraction of the steps spent on the warm-up, from 0 to 1.
        final: Final rate as a fraction of the peak; 1 keeps it constant after the warm-up.
    """
    num_warmup = round(total_steps * warmup)

    def factor(step: int) -> float:
        if step < num_warmup:
            return (step + 1) / (num_warmup + 1)
        progress = (step - num_warmup) / max(1, total_steps - num_warmup)
        return final + (1 - final) * (1 + math.cos(math.pi * min(progress, 1))) / 2

    return LambdaLR(optimizer, factor)
