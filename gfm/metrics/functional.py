"""The five matting metrics as functions, and all metrics that a protocol reports for one image.

`docs/metrics.md` compares the two protocols. Sources: Li et al., "Bridging Composite and Real:
Towards End-to-end Deep Image Matting", IJCV 2022 (``gfm``); Xu et al., "Deep Image Matting",
CVPR 2017, its MATLAB evaluation code (``dim``); Rhemann et al., "A Perceptually Motivated Online
Benchmark for Image Matting", CVPR 2009 (the definitions of Grad and Conn).

The five functions take the same arguments:

- ``preds`` and ``target`` are alpha in [0, 1]: floats of shape N×1×H×W, 1×H×W or H×W, or two lists
  of such images, equally long, in which each image has its own size.
- ``trimap`` holds 0, 128 and 255 in the same shape.
- ``region`` is ``whole``, ``transition`` (trimap 128), ``foreground`` (255) or ``background`` (0).
  By default ``gfm`` scores the whole image; ``dim`` scores the transition region, or the whole
  image if there is no trimap.

They return the mean over images as a float64 scalar. They raise TypeError for integers and for
anything but tensors, arrays and lists, and ValueError for NaN, values out of range, shapes that
differ, and choices that are unknown or missing.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from gfm.metrics.connectivity import connectivity_errors
from gfm.metrics.gradient import gradient_errors
from gfm.metrics.inputs import (
    CheckedImages,
    Images,
    check_protocol,
    check_region,
    checked_images,
    default_region,
    metric_names,
)
from gfm.metrics.pixel_errors import (
    absolute_difference_means,
    absolute_difference_sums,
    pixel_errors,
    squared_difference_means,
)

PerImage = Callable[[CheckedImages, str, str], Tensor]
"""Function of a batch, a region and a protocol to one value per image; float64 of shape (N,)."""

ExtraMetrics = Mapping[str, Callable[[CheckedImages], Tensor]]
"""Metrics beside those of a protocol, by name: functions of a batch to values of shape (N,)."""


def metric_update(
    per_image: PerImage,
    preds: Images,
    target: Images,
    trimap: Images | None,
    region: str | None,
    protocol: str,
) -> tuple[Tensor, int]:
    """Return the sum of a metric over images, and the number of images."""
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
    """Return the sum over images of each metric in `metric_names`, and the number of images."""
    if check_protocol(protocol) == "gfm" and trimap is None:
        raise ValueError("protocol 'gfm' scores regions of the trimap: pass one")
    batches = checked_images(preds, target, trimap)
    values = torch.cat([_suite(batch, protocol, extra or {}) for batch in batches], dim=1)
    return values.sum(1), values.shape[1]


def _suite(batch: CheckedImages, protocol: str, extra: ExtraMetrics) -> Tensor:
    """Compute each metric in `metric_names` for each image; float64 of shape (metrics, N)."""
    region = default_region(batch.regions is not None, protocol)
    values = pixel_errors(batch, region, protocol)._asdict()
    values["grad"] = gradient_errors(batch, region, protocol)
    values["conn"] = connectivity_errors(batch, region, protocol)
    if protocol == "gfm":
        transition = pixel_errors(batch, "transition", protocol)._asdict()
        values |= {f"{name}_transition": value for name, value in transition.items()}
        for known in ("foreground", "background"):
            values[f"sad_{known}"] = pixel_errors(batch, known, protocol).sad
    values |= {name: metric(batch).double() for name, metric in extra.items()}
    return torch.stack([values[name] for name in metric_names(protocol, extra)])


def mean_compute(total: Tensor, num_images: Tensor | int) -> Tensor:
    """Return the mean over images, which is the convention of the field."""
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
    sums over the whole image; ``dim`` sums over the pixels of the region only. Both agree where the
    trimap agrees with the target.
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
    """Compute MSE: ``sum((preds - target)^2)`` divided by the region's number of pixels.

    The sum is taken as in `sum_absolute_difference`. An empty region gives 0.
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
    """Compute MAD: ``sum(|preds - target|)`` divided by the region's number of pixels.

    The sum is taken as in `sum_absolute_difference`. An empty region gives 0.
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
    """Compute Grad: ``sum((|G * preds| - |G * target|)^2)`` over the region, / 10 or / 1000.

    The divisor is 10 for ``gfm`` and 1000 for ``dim``. G is the derivative of a Gaussian with sigma
    1.4. ``gfm`` uses SciPy's kernel of 13 taps and mirrors the image at its border. ``dim`` uses 9
    taps of unit L2 norm, repeats the border pixels, and first stretches each alpha to span [0, 1].
    The whole image is filtered; a region only selects from the result.
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
    """Compute Conn in thousands: ``sum(|phi(preds) - phi(target)|) / 1000`` over the region.

    ``phi(a) = 1 - d [d >= 0.15]`` with ``d = a - l``. The level l of a pixel is the last of the
    thresholds 0, 0.1 ... 1 before it leaves the largest 4-connected component of ``preds >= t and
    target >= t``. The whole image is labelled; a region only selects from the result. This runs on
    the CPU.
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
    """Compute every metric of a protocol for one image, by its name in `METRIC_NAMES`.

    Args:
        pred: Alpha of one image in [0, 1].
        target: True alpha of that image in [0, 1].
        trimap: Trimap of that image (0, 128 and 255). Only ``dim`` takes None, which makes every
            pixel unknown.
        protocol: ``gfm`` or ``dim``.
        extra: Metrics to compute beside those of the protocol.

    Raises:
        TypeError: An input has another type, such as 8-bit alpha.
        ValueError: There are several images, shapes differ, values are out of range, or the trimap
            is missing.
    """
    totals, num_images = suite_update(pred, target, trimap, protocol, extra)
    if num_images != 1:
        raise ValueError(f"pred holds {num_images} images: pass one, or use MattingMetrics")
    return dict(zip(metric_names(protocol, extra or {}), totals.tolist(), strict=True))
