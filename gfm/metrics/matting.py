"""The matting metrics as torchmetrics classes: means over images, correct under DDP."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import Module
from torchmetrics import Metric

from gfm.metrics.connectivity import connectivity_errors
from gfm.metrics.functional import metric_update
from gfm.metrics.gradient import gradient_errors
from gfm.metrics.inputs import CheckedImages, Images, check_region, wide_dtype
from gfm.metrics.pixel_errors import pixel_error
from gfm.metrics.protocols import ScoringProtocol, find_protocol, metric_names, metric_units
from gfm.metrics.suite import ExtraMetrics, suite_update


class _MeanOverImages(Metric):
    """Mean over images; the states are sums, float64 if possible, and the number of images."""

    is_differentiable = False
    higher_is_better = False
    full_state_update = False

    total: Tensor
    num_images: Tensor

    def __init__(self, protocol: str, shape: tuple[int, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.protocol = find_protocol(protocol).name
        total = torch.zeros(shape, dtype=wide_dtype(self.device))
        self.add_state("total", default=total, dist_reduce_fx="sum")
        self.add_state("num_images", default=torch.tensor(0), dist_reduce_fx="sum")

    def _apply(self, fn: Callable[[Tensor], Tensor], exclude_state: Sequence[str] = "") -> Module:
        """Move to a device, with a dtype that it supports."""
        if wide_dtype(fn(torch.zeros(1, device=self.device)).device) == torch.float32:
            self.total = self.total.float()
            self._defaults["total"] = torch.zeros_like(self.total)
        return super()._apply(fn, exclude_state)

    def _add(self, total: Tensor, num_images: int) -> None:
        self.total += total.to(self.total.device).to(self.total.dtype)
        self.num_images += num_images


class _MattingMetric(_MeanOverImages):
    """One metric of one region, with the arguments and errors of the metric's function."""

    _per_image: ClassVar["staticmethod[[CheckedImages, str, ScoringProtocol], Tensor]"]

    def __init__(self, protocol: str = "gfm", region: str | None = None, **kwargs: Any) -> None:
        super().__init__(protocol, (), **kwargs)
        self.region = check_region(region)

    def update(self, preds: Images, target: Images, trimap: Images | None = None) -> None:
        """Add a batch, or a list of images of different sizes."""
        region, protocol = self.region, self.protocol
        self._add(*metric_update(self._per_image, preds, target, trimap, region, protocol))

    def compute(self) -> Tensor:
        """Return the mean over the images of all processes, a scalar."""
        return self.total / self.num_images


class SumAbsoluteDifference(_MattingMetric):
    """Mean over images of `gfm.metrics.sum_absolute_difference`, in thousands."""

    _per_image = staticmethod(pixel_error("sad"))


class MeanSquaredError(_MattingMetric):
    """Mean over images of `gfm.metrics.mean_squared_error`, per pixel of the region."""

    _per_image = staticmethod(pixel_error("mse"))


class MeanAbsoluteDifference(_MattingMetric):
    """Mean over images of `gfm.metrics.mean_absolute_difference`, per pixel of the region."""

    _per_image = staticmethod(pixel_error("mad"))


class GradientError(_MattingMetric):
    """Mean over images of `gfm.metrics.gradient_error`."""

    _per_image = staticmethod(gradient_errors)


class ConnectivityError(_MattingMetric):
    """Mean over images of `gfm.metrics.connectivity_error`, in thousands."""

    _per_image = staticmethod(connectivity_errors)


class MattingMetrics(_MeanOverImages):
    """Computes every metric of a protocol in one pass over the images.

    ``gfm`` needs a trimap; ``dim`` scores the transition region, or every pixel without a trimap.

    Args:
        protocol: ``gfm`` or ``dim``.
        extra: Additional metrics.
        kwargs: Arguments of `torchmetrics.Metric`.

    Example:
        >>> metrics = MattingMetrics("gfm")
        >>> preds, target = torch.full((2, 1, 40, 50), 0.75), torch.ones(2, 1, 40, 50)
        >>> metrics.update(preds, target, torch.full(preds.shape, 128))
        >>> metrics.compute()["sad"]
        tensor(0.5000, dtype=torch.float64)
    """

    def __init__(
        self, protocol: str = "gfm", extra: ExtraMetrics | None = None, **kwargs: Any
    ) -> None:
        names = metric_names(protocol, extra or {})
        super().__init__(protocol, (len(names),), **kwargs)
        self.names = names
        self.extra = extra or {}

    @property
    def units(self) -> dict[str, str]:
        """Unit of each metric; see :func:`gfm.metrics.metric_units`."""
        return metric_units(self.protocol)

    def update(self, preds: Images, target: Images, trimap: Images | None = None) -> None:
        """Add a batch, or a list of images of different sizes."""
        self._add(*suite_update(preds, target, trimap, self.protocol, self.extra))

    def compute(self) -> dict[str, Tensor]:
        """Return the mean of each metric over the images of all processes, by its name."""
        means = self.total / self.num_images
        return dict(zip(self.names, means.unbind(), strict=True))
