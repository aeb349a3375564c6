"""Estimates the colours of the foreground, which soft edges mix with those of the background.

A pixel of hair shows I = α·F + (1 - α)·B. On a new background, the colour I would leave a halo of
the old background; F does not. There are two estimates of F:

- ``blur``: :mod:`gfm.inference.blur_fusion`, on any device.
- ``ml``: pymatting's multi-level estimate (Germer et al., 2020), on the CPU.

``docs/predicting.md`` compares them.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

from gfm.errors import GFMError
from gfm.inference.blur_fusion import blur_fusion

ForegroundMethod = Literal["blur", "ml"]


def check_foreground_method(method: str) -> None:
    """Check that :func:`estimate_foreground` knows a method and can run it.

    Raises:
        GFMError: The method is unknown, or its package is not installed.
    """
    if method not in get_args(ForegroundMethod):
        raise GFMError(f"unknown foreground colours {method!r}: choose blur or ml")
    if method == "ml":
        try:
            import pymatting  # noqa: F401
        except ImportError as error:
            raise GFMError(
                "pymatting is missing: pip install 'gfm-matting[prepare]', or choose blur"
            ) from error


@torch.no_grad()
def estimate_foreground(image: Tensor, alpha: Tensor, method: ForegroundMethod = "blur") -> Tensor:
    """Estimate the colours of the foreground.

    The colours continue for a few pixels outside the foreground, so that a cut-out can be resized;
    further outside they are black.

    Args:
        image: N×3×H×W, uint8 or float in [0, 1].
        alpha: N×1×H×W in [0, 1], on the same device.
        method: ``blur`` or ``ml``, described at the top of this module.

    Returns:
        N×3×H×W, float32 in [0, 1].
    """
    return _multi_level(image, alpha) if method == "ml" else blur_fusion(image, alpha)


def _multi_level(image: Tensor, alpha: Tensor) -> Tensor:
    check_foreground_method("ml")
    # Here, because the import takes seconds, and a minute of compiling the first time.
    from pymatting.foreground.estimate_foreground_ml import estimate_foreground_ml

    found = []
    for one, opacity in zip(image, alpha, strict=True):
        colours = one / 255 if one.dtype == torch.uint8 else one
        array = estimate_foreground_ml(
            colours.permute(1, 2, 0).double().cpu().numpy(), opacity[0].double().cpu().numpy()
        )
        found.append(torch.from_numpy(array).permute(2, 0, 1).float())
    return torch.stack(found).clamp(0, 1).to(image.device)
