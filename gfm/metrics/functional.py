"""The five matting metrics as functions, and all that a protocol reports of one image.

`docs/metrics.md` compares the two protocols. Sources: Li et al., "Bridging Composite and Real:
Towards End-to-end Deep Image Matting", IJCV 2022 (``gfm``); Xu et al., "Deep Image Matting",
CVPR 2017, its MATLAB evaluation code (``dim``); Rhemann et al., "A Perceptually Motivated Online
Benchmark for Image Matting", CVPR 2009 (the definitions of Grad and Conn).

The five functions share their arguments. ``preds`` and ``target`` are alpha in [0, 1]: N×1×H×W,
1×H×W or H×W floats, or equally long lists of these, each image of its own size. ``trimap`` holds
0, 128 and 255 in the same shape. ``region`` is ``whole``, ``transition`` (trimap 128),
``foreground`` (255) or ``background`` (0); without one, ``gfm`` scores the whole image and ``dim``
the transition region, or the whole image if there is no trimap. They return the mean over images
as a float64 scalar. Integers, or neither tensors, arrays nor lists, raise TypeError; NaN, values
out of range, shapes that differ and unknown or missing choices raise ValueError.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from gfm.metrics.connectivity import connectivity_errors
from gfm.metrics.gradient import gradient_errors
from gfm.metrics.inputs import (
    DIVISORS,
    CheckedImages,
    Images,
    check_protocol,
    check_region,
    checked_images,
    default_region,
    image_sums,
    metric_names,
)

PerImage = Callable[[CheckedImages, str, str], Tensor]
"""A metric's value for each image of a batch, given region and protocol; float64 of shape (N,)."""

ExtraMetrics = Mapping[str, Callable[[CheckedImages], Tensor]]
"""Metrics beside those of a protocol, by name: a batch to one value for each image, shape (N,)."""


class _PixelErrors(NamedTuple):
    sad: Tensor
    mse: Tensor
    mad: Tensor


def _pixel_errors(batch: CheckedImages, region: str, protocol: str) -> _PixelErrors:
    errors = batch.errors
    mask = batch.mask(region)
    if mask is None or batch.regions is None:
        num_pixels = torch.full((len(errors),), errors[0].numel(), device=errors.device)
    else:
        weights = mask.to(errors.dtype)
        num_pixels = image_sums(weights)
        if protocol == "gfm" and region == "transition":
            # As official: the known regions count as if predicted from the trimap, so a trimap
            # that contradicts the target adds to the error; the divisor is the transition alone.
            known_errors = (batch.target - batch.regions["foreground"].to(errors.dtype)).abs_()
            errors = torch.lerp(known_errors, errors, weights)
        else:
            errors = errors * weights
    absolute, squared = image_sums(errors), image_sums(errors.square())
    # The official code divides by zero where a region is empty; here its mean is 0.
    mse, mad = (
        torch.where(num_pixels > 0, total / num_pixels, 0.0) for total in (squared, absolute)
    )
    return _PixelErrors(absolute / DIVISORS[protocol]["sad"], mse, mad)


def absolute_difference_sums(batch: CheckedImages, region: str, protocol: str) -> Tensor:
    """SAD of each image. See `sum_absolute_difference`."""
    return _pixel_errors(batch, region, protocol).sad


def squared_difference_means(batch: CheckedImages, region: str, protocol: str) -> Tensor:
    """MSE of each image. See `mean_squared_error`."""
    return _pixel_errors(batch, region, protocol).mse


def absolute_difference_means(batch: CheckedImages, region: str, protocol: str) -> Tensor:
    """MAD of each image. See `mean_absolute_difference`."""
    return _pixel_errors(batch, region, protocol).mad


def metric_update(
    per_image: PerImage,
    preds: Images,
    target: Images,
    trimap: Images | None,
    region: str | None,
    protocol: str,
) -> tuple[Tensor, int]:
    """A metric's sum over images, and their number."""
    check_protocol(protocol)
    region = check_region(region) or default_region(trimap is not None, protocol)
    batches = checked_images(preds, target, trimap)
    values = torch.cat([per_image(batch, region, protocol) for batch in batches])
    return values.sum(), len(values)


def suite_update(
    preds: Images,
    target: Images,
    trimap: Images | None,
    protocol: str,
    extra: ExtraMetrics | None = None,
) -> tuple[Tensor, int]:
    """The sum over images of every metric of `metric_names`, and the number of images."""
    if check_protocol(protocol) == "gfm" and trimap is None:
        raise ValueError("protocol 'gfm' scores regions of the trimap: pass one")
    batches = checked_images(preds, target, trimap)
    values = torch.cat([_suite(batch, protocol, extra or {}) for batch in batches], dim=1)
    return values.sum(1), values.shape[1]


def _suite(batch: CheckedImages, protocol: str, extra: ExtraMetrics) -> Tensor:
    """Every metric of `metric_names` for each image; float64 of shape (metrics, N)."""
    region = default_region(batch.regions is not None, protocol)
    values = _pixel_errors(batch, region, protocol)._asdict()
    values["grad"] = gradient_errors(batch, region, protocol)
    values["conn"] = connectivity_errors(batch, region, protocol)
    if protocol == "gfm":
        transition = _pixel_errors(batch, "transition", protocol)._asdict()
        values |= {f"{name}_transition": value for name, value in transition.items()}
        for known in ("foreground", "background"):
            values[f"sad_{known}"] = _pixel_errors(batch, known, protocol).sad
    values |= {name: metric(batch).double() for name, metric in extra.items()}
    return torch.stack([values[name] for name in metric_names(protocol, extra)])


def mean_compute(total: Tensor, num_images: Tensor | int) -> Tensor:
    """The mean over images, the field's convention."""
    return total / num_images


def sum_absolute_difference(
    preds: Images,
    target: Images,
    trimap: Images | None = None,
    region: str | None = None,
    protocol: str = "gfm",
) -> Tensor:
    """SAD in thousands: ``sum(|preds - target|) / 1000`` over the region.

    Under ``gfm`` the transition region replaces the known pixels' predictions by the trimap and
    then sums over the whole image; ``dim`` sums over the region's pixels alone. Both agree where
    the trimap agrees with the target.
    """
    parts = metric_update(absolute_difference_sums, preds, target, trimap, region, protocol)
    return mean_compute(*parts)


def mean_squared_error(
    preds: Images,
    target: Images,
    trimap: Images | None = None,
    region: str | None = None,
    protocol: str = "gfm",
) -> Tensor:
    """MSE: ``sum((preds - target)^2)`` over the region's number of pixels; 0 if it is empty.

    The sum is taken as in `sum_absolute_difference`.
    """
    parts = metric_update(squared_difference_means, preds, target, trimap, region, protocol)
    return mean_compute(*parts)


def mean_absolute_difference(
    preds: Images,
    target: Images,
    trimap: Images | None = None,
    region: str | None = None,
    protocol: str = "gfm",
) -> Tensor:
    """MAD: ``sum(|preds - target|)`` over the region's number of pixels; 0 if it is empty.

    The sum is taken as in `sum_absolute_difference`.
    """
    parts = metric_update(absolute_difference_means, preds, target, trimap, region, protocol)
    return mean_compute(*parts)


def gradient_error(
    preds: Images,
    target: Images,
    trimap: Images | None = None,
    region: str | None = None,
    protocol: str = "gfm",
) -> Tensor:
    """Grad: ``sum((|G * preds| - |G * target|)^2)`` over the region, / 10 (gfm) or / 1000 (dim).

    G is the derivative of a Gaussian of sigma 1.4. ``gfm``: SciPy's kernel, 13 taps, the image
    mirrored at its border. ``dim``: 9 taps of unit L2 norm, border pixels repeated, and each alpha
    first stretched to span [0, 1]. Always filtered whole: a region selects from the result.
    """
    parts = metric_update(gradient_errors, preds, target, trimap, region, protocol)
    return mean_compute(*parts)


def connectivity_error(
    preds: Images,
    target: Images,
    trimap: Images | None = None,
    region: str | None = None,
    protocol: str = "gfm",
) -> Tensor:
    """Conn in thousands: ``sum(|phi(preds) - phi(target)|) / 1000`` over the region.

    ``phi(a) = 1 - d [d >= 0.15]`` with ``d = a - l``, where l is a pixel's level: the last of the
    thresholds 0, 0.1 ... 1 before it leaves the largest 4-connected component of ``preds >= t and
    target >= t``. Always labelled whole: a region selects from the result. Runs on the CPU.
    """
    parts = metric_update(connectivity_errors, preds, target, trimap, region, protocol)
    return mean_compute(*parts)


def matting_metrics(
    pred: Images,
    target: Images,
    trimap: Images | None,
    protocol: str = "gfm",
    extra: ExtraMetrics | None = None,
) -> dict[str, float]:
    """Every metric of a protocol for one image, by its name in `METRIC_NAMES`.

    Args:
        pred: alpha in [0, 1] of one image.
        target: likewise.
        trimap: its 0, 128 and 255; None is for ``dim`` alone and makes every pixel unknown.
        protocol: ``gfm`` or ``dim``.
        extra: metrics beside those of the protocol.

    Raises:
        TypeError: inputs of another kind, such as 8-bit alpha.
        ValueError: several images, shapes that differ, values out of range, a missing trimap.
    """
    totals, num_images = suite_update(pred, target, trimap, protocol, extra)
    if num_images != 1:
        raise ValueError(f"pred holds {num_images} images: pass one, or use MattingMetrics")
    return dict(zip(metric_names(protocol, extra or {}), totals.tolist(), strict=True))
