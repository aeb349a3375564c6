"""Prints the size of the network at the start of a run."""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from gfm.system.console import console


class _Forward(nn.Module):
    """Calls ``forward``, because calling a compiled network would compile it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> Any:
        return self.model.forward(image)


def multiply_adds(model: nn.Module, side: int) -> int | None:
    """Count the multiply-adds of convolutions and matrix products for one 3×side×side image.

    Nothing is computed: tensors on the ``meta`` device have only shapes. Returns ``None`` for a
    network whose forward pass needs their values.
    """
    whole = _Forward(model)
    tensors = {**dict(whole.named_parameters()), **dict(whole.named_buffers())}
    shapes = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors.items()}
    # Two images, because norms without running statistics may refuse a single value.
    images = torch.empty(2, 3, side, side, device="meta")
    counter = FlopCounterMode(display=False)
    modes = {module: module.training for module in whole.modules()}
    whole.eval()  # in training mode, synchronised norms would wait for other processes
    try:
        with torch.no_grad(), counter:
            functional_call(whole, shapes, (images,))
    except Exception:  # custom networks may raise anything; the number is not essential
        return None
    finally:
        for module, is_training in modes.items():
            module.training = is_training
    return counter.get_total_flops() // (2 * len(images))


def describe_size(model: nn.Module, side: int) -> str:
    """Describe the parameters of a network and its parts, and the operations of a forward pass."""
    parts = {name: _count(part) for name, part in model.named_children()}
    listed = ", ".join(f"{name} {_short(count)}" for name, count in parts.items() if count)
    frozen_sizes = [p.numel() for p in model.parameters() if not p.requires_grad]
    frozen = f", {_short(sum(frozen_sizes))} of them frozen" if frozen_sizes else ""
    total = f"{_short(_count(model))} parameters ({listed}){frozen}"
    count = multiply_adds(model, side)
    return f"{total}; {count / 1e9:.3g} G multiply-adds per {side}×{side} input" if count else total


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _short(count: int) -> str:
    return f"{count / 1e6:.1f} M" if count >= 1e5 else f"{count:,}"


class NetworkSize(Callback):
    """Prints the number of parameters, in total and by part, and of multiply-adds.

    Lightning's summary counts no operations before the first step, and warns about bfloat16.
    """

    def on_fit_start(self, trainer: pl.Trainer, pl_module: Any) -> None:  # noqa: D102
        if trainer.is_global_zero:
            side = trainer.datamodule.samples.input_size  # type: ignore[attr-defined]
            console().print(describe_size(pl_module.model, side))
