"""A training step in the order of the official code, beside which others are measured."""

import time
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gfm.compat.hydra import instantiate
from gfm.losses import terms
from gfm.models.gfm import GFM
from gfm.rosta import TT, transition_mask
from tests.benchmarks.networks import model_node
from tests.gpu.clock import synchronize
from tests.gpu.stage import Stage


def official_rate(stage: Stage, network: str, batch: int, size: int, seconds: float) -> float:
    """Return the samples per second of a step in float32 and torch's own memory format.

    torch's defaults decide about TF32. Targets and floats are made by the loader there, and here
    before the time starts.
    """
    torch.backends.cudnn.allow_tf32 = True
    torch.set_float32_matmul_precision("highest")
    options = {"decoder_channels": [16] * 5} if stage.is_rehearsal else {}
    with torch.device(stage.device):
        model: GFM = instantiate(model_node(network, **options)).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-5)
    given = _batch(stage.device, batch, size)
    steps = 0
    for _ in range(1 if stage.is_rehearsal else 3):
        _step(model, optimizer, given)
    synchronize()
    start = time.perf_counter()
    while steps == 0 or (time.perf_counter() - start < seconds and steps < 40):
        _step(model, optimizer, given)
        steps += 1
    synchronize()
    return steps * batch / (time.perf_counter() - start)


def _batch(device: str, batch: int, size: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)

    def draw(channels: int) -> Tensor:
        return torch.rand(batch, channels, size, size, generator=generator).to(device)

    trimap = torch.tensor([0.0, 128.0, 255.0])[(draw(1) * 3).long().cpu()].to(device)
    names = {"image": 3, "foreground": 3, "background": 3, "alpha": 1}
    return {"trimap": trimap, **{name: draw(channels) for name, channels in names.items()}}


def _step(model: GFM, optimizer: torch.optim.Optimizer, given: dict[str, Tensor]) -> None:
    """Train one step; the loss is printed after each, which waits for the GPU."""
    optimizer.zero_grad()
    output = model(given["image"])
    branch = output.branches["tt"]
    weight = transition_mask(given["trimap"])
    layers = [given[name] for name in ("image", "foreground", "background")]
    losses: list[Any] = [
        terms.glance_loss(branch.glance, TT.glance_target(given["trimap"]), "probabilities"),
        terms.alpha_loss(branch.focus, given["alpha"], weight)
        + _two_pyramids(branch.focus * weight, given["alpha"] * weight),
        terms.alpha_loss(output.alpha, given["alpha"])
        + _two_pyramids(output.alpha, given["alpha"]),
        terms.composition_loss(*layers, output.alpha),
    ]
    loss = torch.stack(losses).sum() / 4
    loss.backward()
    optimizer.step()
    for value in (loss, *losses):
        value.item()


def _two_pyramids(preds: Tensor, target: Tensor) -> Tensor:
    """Return the Laplacian loss with a pyramid of each picture."""
    pairs = zip(terms._laplacian_pyramid(preds), terms._laplacian_pyramid(target), strict=True)
    return torch.stack([F.l1_loss(a, b) for a, b in pairs]).sum()
