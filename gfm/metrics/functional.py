"""The five matting metrics as functions of one region; `gfm.metrics.suite` computes them all.

`docs/metrics.md` compares the protocols. Grad and Conn were defined by Rhemann et al., "A
Perceptually Motivated Online Benchmark for Image Matting", CVPR 2009.

The functions raise TypeError for integer alpha and for inputs other than tensors, arrays and lists
of these, and ValueError for NaN, values out of range, differing shapes, and unknown or missing
choices.
"""

from typing import Any

import torch
from torch import Tensor

from gfm.metrics.connectivity import connectivity_errors
from gfm.metrics.gradient import gradient_errors
from gfm.metrics.inputs import Images, check_images, check_region
from gfm.metrics.pixel_errors import pixel_error
from gfm.metrics.protocols import PerImage, find_protocol


def metric_update(
    per_image: PerImage,
    preds: Images,
    target: Images,
    trimap: Images | None,
    region: str | None,
    protocol: str,
) -> tuple[Tensor, int]:
    """Return the sum of a metric over images, and the number of images."""
    chosen = find_protocol(protocol)
    region = check_region(region) or chosen.default_region(trimap is not None)
    batches = check_images(preds, target, trimap)
    values = torch.cat([per_image(batch, region, chosen) for batch in batches])
    return values.sum(), len(values)


def _mean(per_image: PerImage, *images_and_choices: Any) -> Tensor:
    total, num_images = metric_update(per_image, *images_and_choices)
    return total / num_images


def sum_absolute_difference(
    preds: Images,
    target: Images,
    trimap: Images | None = None,
    region: str | None = None,
    protocol: str = "gfm",
) -> Tensor:
    """Compute SAD in thousands: ``sum(|preds - target|) / 1000`` over the region.

    For the transition region, ``gfm`` replaces the predictions of known pixels by the trimap and
    sums over the whole image; ``dim`` sums over the region only. Both agree where the trimap agrees
    with the target.

    Args:
        preds: Float alpha in [0, 1]: N×1×H×W, 1×H×W, H×W, or a list of such images of any sizes.
        target: Ground-truth alpha of the same shape or shapes.
        trimap: 0, 128 and 255, of the same shape or shapes; needed for all regions but ``whole``.
        region: ``whole``, ``transition`` (trimap 128), ``foreground`` (255) or ``background`` (0).
            By default the whole image, or with ``dim`` and a trimap the transition region.
        protocol: ``gfm`` or ``dim``.

    Returns:
        Mean over images, a scalar: float64, but float32 on Apple GPUs.

    Example:
        >>> preds, target = torch.full((40, 50), 0.75), torch.ones(40, 50)
        >>> sum_absolute_difference(preds, target)
        tensor(0.5000, dtype=torch.float64)
    """
    return _mean(pixel_error("sad"), preds, target, trimap, region, protocol)


def mean_squared_error(
    preds: Images,
    target: Images,
    trimap: Images | None = None,
    region: str | None = None,
    protocol: str = "gfm",
) -> Tensor:
    """Compute MSE: ``sum((preds - target)^2)`` divided by the region's number of pixels.

    The sum is taken as in `sum_absolute_difference`. An empty region gives 0.

    Arguments and result are those of `sum_absolute_difference`.

    Example:
        >>> mean_squared_error(torch.full((40, 50), 0.75), torch.ones(40, 50))
        tensor(0.0625, dtype=torch.float64)
    """
    return _mean(pixel_error("mse"), preds, target, trimap, region, protocol)


def mean_absolute_difference(
    preds: Images,
    target: Images,
    trimap: Images | None = None,
    region: str | None = None,
    protocol: str = "gfm",
) -> Tensor:
    """Compute MAD: ``sum(|preds - target|)`` divided by the region's number of pixels.

    The sum is taken as in `sum_absolute_difference`. An empty region gives 0.

    Arguments and result are those of `sum_absolute_difference`.

    Example:
        >>> preds, target = torch.tensor([[0.5, 1.0]]), torch.ones(1, 2)
        >>> mean_absolute_difference(preds, target, torch.tensor([[128, 255]]), "transition")
        tensor(0.5000, dtype=torch.float64)
    """
    return _mean(pixel_error("mad"), preds, target, trimap, region, protocol)


def gradient_error(
    preds: Images,
    target: Images,
    trimap: Images | None = None,
    region: str | None = None,
    protocol: str = "gfm",
) -> Tensor:
    """Compute Grad: ``sum((|G * preds| - |G * target|)^2)`` over the region, / 10 or / 1000.

    The divisor is 10 for ``gfm`` and 1000 for ``dim``. G is the derivative of a Gaussian with sigma
    1.4. ``gfm`` uses SciPy's kernel of 13 taps and mirrors the image at its border. ``dim`` uses 9
    taps of unit L2 norm, repeats the border pixels, and first stretches each alpha to span [0, 1].
    The whole image is filtered; a region only selects from the result.

    Arguments and result are those of `sum_absolute_difference`.

    Example:
        >>> gradient_error(torch.eye(3), torch.ones(3, 3))
        tensor(0.0030, dtype=torch.float64)
    """
    return _mean(gradient_errors, preds, target, trimap, region, protocol)


def connectivity_error(
    preds: Images,
    target: Images,
    trimap: Images | None = None,
    region: str | None = None,
    protocol: str = "gfm",
) -> Tensor:
    """Compute Conn in thousands: ``sum(|phi(preds) - phi(target)|) / 1000`` over the region.

    ``phi(a) = 1 - d [d >= 0.15]`` with ``d = a - l``. The level l of a pixel is the last of the
    thresholds 0, 0.1 ... 1 before it leaves the largest 4-connected component of ``preds >= t and
    target >= t``. The whole image is labelled; a region only selects from the result. Runs on the
    CPU.

    Arguments and result are those of `sum_absolute_difference`.

    Example:
        >>> preds, target = torch.tensor([[1.0, 0.0, 1.0, 1.0]]), torch.ones(1, 4)
        >>> connectivity_error(preds, target)
        tensor(0.0010, dtype=torch.float64)
    """
    return _mean(connectivity_errors, preds, target, trimap, region, protocol)
