"""Grad: differences between the gradients of two mattes."""

from dataclasses import replace
from functools import reduce

import cv2
import numpy as np
import torch
from torch import Tensor

from gfm.metrics.inputs import CheckedImages, image_sums
from gfm.metrics.protocols import GradientFilter, ScoringProtocol


def gradient_errors(batch: CheckedImages, region: str, protocol: ScoringProtocol) -> Tensor:
    """Compute Grad of each image, float64 of shape (N,); see `gradient_error`."""
    if protocol.stretches_alpha:
        batch = replace(batch, preds=_stretch(batch.preds), target=_stretch(batch.target))
    # Both compute the same; OpenCV is several times faster, but reads only host memory.
    sums = _sums_cv2 if batch.preds.device.type == "cpu" else _sums_torch
    return sums(batch, region, protocol.gradient_filter) / protocol.divisors["grad"]


def _stretch(alpha: Tensor) -> Tensor:
    """Scale each image to span [0, 1] like MATLAB's mat2gray; a constant image becomes 0."""
    low, high = alpha.amin((1, 2, 3), keepdim=True), alpha.amax((1, 2, 3), keepdim=True)
    return (alpha - low) / torch.where(high > low, high - low, 1.0)


def _sums_cv2(batch: CheckedImages, region: str, filters: GradientFilter) -> Tensor:
    smooth, derivative, border, _ = filters

    def magnitude(image: np.ndarray) -> np.ndarray:
        x = cv2.sepFilter2D(image, -1, derivative, smooth, borderType=border)
        y = cv2.sepFilter2D(image, -1, smooth, derivative, borderType=border)
        # OpenCV's magnitude rounds differently depending on where arrays lie in memory.
        np.multiply(x, x, out=x)
        np.multiply(y, y, out=y)
        np.add(x, y, out=x)
        return np.sqrt(x, out=x)

    def squared_error(preds: np.ndarray, target: np.ndarray, mask: np.ndarray | None) -> float:
        errors = magnitude(preds)
        np.subtract(errors, magnitude(target), out=errors)
        # So does its sum of squares (NORM_L2SQR) before version 4.12, but not its plain sum.
        return cv2.norm(np.multiply(errors, errors, out=errors), cv2.NORM_L1, mask)

    sums = [squared_error(*arrays) for arrays in batch.arrays(region)]
    return torch.tensor(sums, dtype=torch.float64)


def _sums_torch(batch: CheckedImages, region: str, filters: GradientFilter) -> Tensor:
    smooth, derivative, _, border = filters

    def magnitude(images: Tensor) -> Tensor:
        x = _correlate(_correlate(images, smooth, 2, border), derivative, 3, border)
        y = _correlate(_correlate(images, derivative, 2, border), smooth, 3, border)
        return torch.hypot(x, y)

    errors = (magnitude(batch.preds) - magnitude(batch.target)).square()
    mask = batch.mask(region)
    return image_sums(errors if mask is None else errors * mask)


def _correlate(images: Tensor, kernel: np.ndarray, dim: int, border: str) -> Tensor:
    """Correlate in 1-D along ``dim`` by adding shifted copies; cuDNN would round to TF32."""
    size = images.shape[dim]
    indices = np.pad(np.arange(size), len(kernel) // 2, mode=border)  # type: ignore[call-overload]
    padded = images.index_select(dim, torch.from_numpy(indices).to(images.device))
    return reduce(
        torch.add, (w * padded.narrow(dim, i, size) for i, w in enumerate(kernel.tolist()))
    )
