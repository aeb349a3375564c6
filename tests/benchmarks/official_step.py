"""A training step in the order of the official code, as a reference."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gfm.losses import terms
from gfm.models.gfm import GFM
from gfm.rosta import TT, transition_mask


class OfficialStep:
    """Trains a network with RoSTA TT on one random batch, as the official code does.

    Everything is float32 in torch's default memory format, with torch's defaults for TF32. In the
    official code the loader makes targets and floats, so here they are made before timing starts.
    """

    def __init__(self, model: GFM, batch: int, size: int, device: str) -> None:
        torch.backends.cudnn.allow_tf32 = True
        torch.set_float32_matmul_precision("highest")
        self.model = model
        self.optimizer = torch.optim.Adam(model.parameters(), lr=1e-5)
        self.batch = _batch(device, batch, size)

    def __call__(self) -> None:
        """Update the weights; the losses are printed after each step, which waits for a GPU."""
        _step(self.model, self.optimizer, self.batch)


def _batch(device: str, batch: int, size: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)

    def draw(channels: int) -> Tensor:
        return torch.rand(batch, channels, size, size, generator=generator).to(device)

    trimap = torch.tensor([0.0, 128.0, 255.0])[(draw(1) * 3).long().cpu()].to(device)
    names = {"image": 3, "foreground": 3, "background": 3, "alpha": 1}
    return {"trimap": trimap, **{name: draw(channels) for name, channels in names.items()}}


def _step(model: GFM, optimizer: torch.optim.Optimizer, given: dict[str, Tensor]) -> None:
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
    """Return the Laplacian loss, computed with a pyramid for each picture."""
    pairs = zip(_pyramid(preds), _pyramid(target), strict=True)
    return torch.stack([F.l1_loss(a, b) for a, b in pairs]).sum()


def _pyramid(image: Tensor) -> list[Tensor]:
    """Return the levels of N×1×H×W images, each image convolved separately."""
    kernel = terms._gauss_kernel(image.device)
    levels = []
    for _ in range(5):
        blurred = F.conv2d(F.pad(image, (2, 2, 2, 2), mode="replicate"), kernel)
        levels.append(image - blurred)
        image = F.avg_pool2d(blurred, 2)
    return [*levels, image]
