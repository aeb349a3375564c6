"""Estimates the colours of the foreground at soft edges, which mix it with the background.

A pixel of hair shows I = α·F + (1 - α)·B. On a new background, I would leave a halo of the old one;
F does not. There are two methods to estimate F, which ``docs/predicting.md`` compares:

- ``blur``: :mod:`gfm.inference.blur_fusion`, on any device.
- ``ml``: pymatting's multi-level estimate (Germer et al., 2020), on the CPU.
"""

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from gfm.errors import GFMError
from gfm.inference.blur_fusion import blur_fusion
from gfm.system.extras import import_optional

ForegroundMethod = Literal["blur", "ml"]


def check_foreground_method(method: str) -> None:
    """Raise GFMError if a method is unknown, or its package is not installed."""
    if method not in get_args(ForegroundMethod):
        raise GFMError(f"unknown foreground method {method!r}: choose blur or ml")
    if method == "ml":
        _import_multi_level()


@torch.no_grad()
def estimate_foreground(image: Tensor, alpha: Tensor, method: ForegroundMethod = "blur") -> Tensor:
    """Estimate the colours of the foreground.

    Transparent pixels near the foreground get its colours, so that a cut-out can be resized without
    dark edges; those further away are black.

    Args:
        image: N×3×H×W, uint8 or float in [0, 1].
        alpha: N×1×H×W in [0, 1], on the same device.
        method: ``blur`` or ``ml``; see the top of this module.

    Returns:
        N×3×H×W, float32 in [0, 1].
    """
    return _multi_level(image, alpha) if method == "ml" else blur_fusion(image, alpha)


def _import_multi_level() -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    # The import takes seconds, and the first time a minute of compiling.
    name = "pymatting.foreground.estimate_foreground_ml"
    module = import_optional(name, "prepare", "the foreground method ml")
    estimate: Callable[[np.ndarray, np.ndarray], np.ndarray] = module.estimate_foreground_ml
    return estimate


def _multi_level(image: Tensor, alpha: Tensor) -> Tensor:
    estimate = _import_multi_level()
    image = image / 255 if image.dtype == torch.uint8 else image
    estimates = []
    for colours, opacity in zip(image, alpha, strict=True):
        # To the CPU first: Apple's GPUs have no float64.
        array = estimate(
            colours.permute(1, 2, 0).cpu().double().numpy(), opacity[0].cpu().double().numpy()
        )
        estimates.append(torch.from_numpy(array).permute(2, 0, 1).float())
    return torch.stack(estimates).clamp(0, 1).to(image.device)
