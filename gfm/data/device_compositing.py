"""Composes the windows of a batch on the training device (``data.compose_on=device``).

The results equal those of the loaders (:mod:`gfm.data.compositing`, then
:class:`gfm.data.transforms.JointTransform`) to within 1 of 255, except for the noise: its
distribution and seeds are the same, but the device's generator draws different values.
"""

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from gfm.data.batch import Batch
from gfm.data.composite_parts import Recipe, split_windows
from gfm.data.transforms import Interpolation, cv2_interpolation

_LAYERS = ("image", "foreground", "background")


@torch.no_grad()
def compose(batch: Batch, input_size: int, interpolation: Interpolation, has_layers: bool) -> Batch:
    """Replace the windows of a batch with ``image`` and its layers, N×3×H×W, uint8.

    Args:
        batch: Batch of :func:`gfm.data.composite_parts.collate`, on any device.
        input_size: Side of the samples in pixels.
        interpolation: How crops are resized to the input size.
        has_layers: Whether samples also get their ``foreground`` and ``background``.
    """
    batch = dict(batch)
    recipes: list[Recipe] = batch.pop("recipes")
    windows = split_windows(batch.pop("pixels"), recipes)
    is_flipped = batch.pop("is_flipped")
    samples: dict[int, Tensor] = {}
    for side in {recipe.side for recipe in recipes}:
        chosen = [i for i, recipe in enumerate(recipes) if recipe.side == side]
        layers = _layers([windows[i] for i in chosen], [recipes[i] for i in chosen], has_layers)
        samples |= dict(zip(chosen, _resize(layers, input_size, interpolation), strict=True))
    composed = torch.stack([samples[i] for i in range(len(recipes))], dim=1)
    composed = torch.where(is_flipped[:, None, None, None], composed.flip(-1), composed)
    return {**batch, **dict(zip(_LAYERS, composed, strict=False))}


def _layers(
    windows: Sequence[Sequence[Tensor]], recipes: Sequence[Recipe], has_layers: bool
) -> Tensor:
    """Compose windows with crops of equal size: N×L×3×H×W of 0..255, with one or three layers."""
    foreground = torch.stack([window[0] for window in windows]).float()
    background = torch.stack(
        [_blur(w[1], r.blur_size) for w, r in zip(windows, recipes, strict=True)]
    )
    alpha = torch.stack([window[2] for window in windows]).float()
    image = ((alpha * foreground + (255 - alpha) * background) / 255).round_()
    layers = torch.stack([image, foreground, background] if has_layers else [image], dim=1)
    _add_noise(layers, recipes)
    return layers


def _blur(background: Tensor, size: int) -> Tensor:
    """Blur a window with a box filter, and cut off its margin: 3×H×W of 0..255 in float32."""
    if not size:
        return background.float()
    sums = F.pad(background, (1, 0, 1, 0)).int()
    for dim in (1, 2):
        sums = sums.cumsum(dim, dtype=torch.int32)
        length = sums.shape[dim] - size
        sums = sums.narrow(dim, size, length) - sums.narrow(dim, 0, length)
    return (sums / size**2).round_()


def _add_noise(layers: Tensor, recipes: Sequence[Recipe]) -> None:
    """Add the same Gaussian noise to every layer of a sample; layers are N×L×3×H×W of 0..255."""
    generator = torch.Generator(layers.device)
    for sample, recipe in zip(layers, recipes, strict=True):
        if recipe.noise_sigma:
            generator.manual_seed(recipe.noise_seed)
            noise = torch.empty_like(sample[0]).normal_(0, recipe.noise_sigma, generator=generator)
            sample.add_(noise.round_()).clamp_(0, 255)


def _resize(layers: Tensor, target: int, interpolation: Interpolation) -> Tensor:
    """Resize square layers of 0..255 to ``target`` pixels a side, and convert them to uint8."""
    if layers.shape[-1] != target:
        matrix = _resizing(layers.shape[-1], target, interpolation, layers.device)
        layers = (matrix @ layers @ matrix.T).add_(0.5).floor_().clamp_(0, 255)
    return layers.to(torch.uint8)


@lru_cache(maxsize=64)
def _resizing(
    length: int, target: int, interpolation: Interpolation, device: torch.device
) -> Tensor:
    """Return the matrix by which OpenCV resizes columns, ``target`` × ``length``."""
    columns = np.eye(length, dtype=np.float32)
    method = cv2_interpolation(interpolation, length, target)
    return torch.from_numpy(cv2.resize(columns, (length, target), interpolation=method)).to(device)
