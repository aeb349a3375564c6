"""Every metric that a protocol reports, in one pass over the images."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from gfm.metrics.connectivity import connectivity_errors
from gfm.metrics.gradient import gradient_errors
from gfm.metrics.inputs import CheckedImages, Images, check_images
from gfm.metrics.pixel_errors import pixel_errors
from gfm.metrics.protocols import ScoringProtocol, find_protocol, metric_names

ExtraMetrics = Mapping[str, Callable[[CheckedImages], Tensor]]
"""Additional metrics by name: functions of a batch to values of shape (N,)."""


def suite_update(
    preds: Images,
    target: Images,
    trimap: Images | None,
    protocol: str,
    extra: ExtraMetrics | None = None,
) -> tuple[Tensor, int]:
    """Return the sum over images of each metric in `metric_names`, and the number of images."""
    chosen = find_protocol(protocol)
    if chosen.regions and trimap is None:
        raise ValueError(f"protocol {protocol!r} needs a trimap: pass one")
    batches = check_images(preds, target, trimap)
    values = torch.cat([_suite(batch, chosen, extra or {}) for batch in batches], dim=1)
    return values.sum(1), values.shape[1]


def _suite(batch: CheckedImages, protocol: ScoringProtocol, extra: ExtraMetrics) -> Tensor:
    """Compute each metric in `metric_names` for each image; of shape (metrics, N)."""
    default = protocol.default_region(batch.regions is not None)
    regions = dict.fromkeys([default, *protocol.regions])
    pixels = pixel_errors(batch, regions, protocol)
    values = dict(pixels[default])
    if "grad" in protocol.metric_names:
        values["grad"] = gradient_errors(batch, default, protocol)
    if "conn" in protocol.metric_names:
        values["conn"] = connectivity_errors(batch, default, protocol)
    for region in protocol.regions:
        values |= {f"{name}_{region}": value for name, value in pixels[region].items()}
    for name, metric in extra.items():
        found = metric(batch)
        if not isinstance(found, Tensor) or found.shape != values["sad"].shape:
            kind = f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else f"{found!r}"
            raise ValueError(f"metric {name!r} returned {kind}: return a tensor of shape (N,)")
        values[name] = found.to(values["sad"].dtype)
    return torch.stack([values[name] for name in metric_names(protocol.name, extra)])


def matting_metrics(
    pred: Images,
    target: Images,
    trimap: Images | None,
    protocol: str = "gfm",
    extra: ExtraMetrics | None = None,
) -> dict[str, float]:
    """Compute every metric of a protocol for one image, by name (`METRIC_NAMES`).

    Args:
        pred: Float alpha of one image in [0, 1]: 1×1×H×W, 1×H×W or H×W.
        target: Ground-truth alpha of the same shape.
        trimap: 0, 128 and 255, of the same shape. Only ``dim`` accepts None: every pixel counts.
        protocol: ``gfm`` or ``dim``.
        extra: Additional metrics.

    Raises:
        TypeError: As in `gfm.metrics.functional`.
        ValueError: As in `gfm.metrics.functional`, or there are several images.

    Example:
        >>> pred, target = torch.full((40, 50), 0.75), torch.ones(40, 50)
        >>> matting_metrics(pred, target, trimap=None, protocol="dim")
        {'sad': 0.5, 'mse': 0.0625, 'grad': 0.0, 'conn': 0.0}
    """
    totals, num_images = suite_update(pred, target, trimap, protocol, extra)
    if num_images != 1:
        raise ValueError(f"pred holds {num_images} images: pass one, or use MattingMetrics")
    return dict(zip(metric_names(protocol, extra or {}), totals.tolist(), strict=True))
