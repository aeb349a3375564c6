"""Grad: differences between the gradients of two mattes."""

from dataclasses import replace
from functools import reduce

import cv2
import numpy as np
import torch
from torch import Tensor

from gfm.metrics.difference_windows import differing_windows, enlarge_window
from gfm.metrics.inputs import CheckedImages, image_sums, is_on_host, wide_dtype
from gfm.metrics.protocols import GradientFilter, ScoringProtocol


def gradient_errors(batch: CheckedImages, region: str, protocol: ScoringProtocol) -> Tensor:
    """Compute Grad of each image, of shape (N,); see `gradient_error`."""
    if protocol.stretches_alpha:
        batch = replace(batch, preds=_stretch(batch.preds), target=_stretch(batch.target))
    sums = _sums_cv2 if is_on_host(batch.preds) else _sums_torch
    return sums(batch, region, protocol.gradient_filter) / protocol.divisors["grad"]


def _stretch(alpha: Tensor) -> Tensor:
    """Scale each image to span [0, 1] like MATLAB's mat2gray; a constant image becomes 0."""
    low, high = alpha.amin((1, 2, 3), keepdim=True), alpha.amax((1, 2, 3), keepdim=True)
    return (alpha - low) / torch.where(high > low, high - low, 1.0)


def _sums_cv2(batch: CheckedImages, region: str, filters: GradientFilter) -> Tensor:
    sums = [_image_sum(*arrays, filters) for arrays in batch.arrays(region)]
    device = batch.preds.device
    return torch.tensor(sums, dtype=wide_dtype(device), device=device)


def _image_sum(
    preds: np.ndarray, target: np.ndarray, mask: np.ndarray | None, filters: GradientFilter
) -> float:
    radius = len(filters.smooth) // 2
    total = 0.0
    for window in differing_windows(preds, target, radius):
        outer, inner = enlarge_window(window, radius)
        errors = _magnitude(preds[outer], filters)
        errors -= _magnitude(target[outer], filters)
        errors = errors[inner]
        errors *= errors
        # Before OpenCV 4.12, the rounding of its sum of squares (NORM_L2SQR) depends on where
        # arrays lie in memory; that of a plain sum does not.
        total += cv2.norm(errors, cv2.NORM_L1, None if mask is None else mask[window])
    return total


def _magnitude(image: np.ndarray, filters: GradientFilter) -> np.ndarray:
    smooth, derivative, border, _ = filters
    x = cv2.sepFilter2D(image, -1, derivative, smooth, borderType=border)
    y = cv2.sepFilter2D(image, -1, smooth, derivative, borderType=border)
    # The rounding of cv2.magnitude also depends on where arrays lie in memory.
    np.multiply(x, x, out=x)
    np.multiply(y, y, out=y)
    return np.sqrt(np.add(x, y, out=x), out=x)


def _sums_torch(batch: CheckedImages, region: str, filters: GradientFilter) -> Tensor:
    smooth, derivative, _, border = filters

    def magnitude(images: Tensor) -> Tensor:
        x = _correlate(_correlate(images, smooth, 2, border), derivative, 3, border)
        y = _correlate(_correlate(images, derivative, 2, border), smooth, 3, border)
        return torch.hypot(x, y)

    errors = (magnitude(batch.preds) - magnitude(batch.target)).square()
    return image_sums(errors, batch.mask(region))


def _correlate(images: Tensor, kernel: np.ndarray, dim: int, border: str) -> Tensor:
    """Correlate in 1-D along ``dim`` by adding shifted copies; cuDNN would round to TF32."""
    size = images.shape[dim]
    indices = np.pad(np.arange(size), len(kernel) // 2, mode=border)  # type: ignore[call-overload]
    padded = images.index_select(dim, torch.from_numpy(indices).to(images.device))
    return reduce(
        torch.add, (w * padded.narrow(dim, i, size) for i, w in enumerate(kernel.tolist()))
    )
