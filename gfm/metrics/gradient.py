"""Grad: how the gradients of two mattes differ."""

from dataclasses import replace
from functools import lru_cache, reduce
from math import ceil, log, pi, sqrt
from typing import Final, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from gfm.metrics.inputs import DIVISORS, CheckedImages, image_sums

_SIGMA: Final = 1.4


class _GradientFilter(NamedTuple):
    """The derivative of a Gaussian as two 1-D kernels, and the rule at the border.

    Attributes:
        smooth: The Gaussian, applied across the direction of the derivative.
        derivative: Its derivative.
        cv2_border: OpenCV's name of the border rule.
        numpy_border: NumPy's name of the same rule.
    """

    smooth: np.ndarray
    derivative: np.ndarray
    cv2_border: int
    numpy_border: str


@lru_cache
def _gradient_filter(protocol: str) -> _GradientFilter:
    if protocol == "gfm":
        radius = int(4 * _SIGMA + 0.5)  # scipy.ndimage truncates at 4 sigma
    else:
        epsilon = 0.01  # the MATLAB kernel ends where the Gaussian falls below it
        radius = ceil(_SIGMA * sqrt(-2 * log(sqrt(2 * pi) * _SIGMA * epsilon)))
    x = np.arange(-radius, radius + 1, dtype=np.float64)
    smooth = np.exp(-0.5 * (x / _SIGMA) ** 2)
    if protocol == "gfm":
        smooth /= smooth.sum()
        derivative = x / _SIGMA**2 * smooth
        # SciPy's "reflect" repeats the edge pixel (d c b a | a b c d).
        return _GradientFilter(smooth, derivative, cv2.BORDER_REFLECT, "symmetric")
    # Normalising both 1-D kernels normalises their outer product, which is what MATLAB does.
    smooth /= np.linalg.norm(smooth)
    derivative = x * smooth
    derivative /= np.linalg.norm(derivative)
    return _GradientFilter(smooth, derivative, cv2.BORDER_REPLICATE, "edge")


def gradient_errors(batch: CheckedImages, region: str, protocol: str) -> Tensor:
    """Compute Grad of each image; see `gradient_error`.

    Returns:
        Float64 of shape (N,).
    """
    filters = _gradient_filter(protocol)
    if protocol == "dim":
        batch = replace(batch, preds=_stretch(batch.preds), target=_stretch(batch.target))
    # Both ways give one result. OpenCV reads only host memory, but is several times as fast there.
    sums = _sums_cv2 if batch.preds.device.type == "cpu" else _sums_torch
    return sums(batch, region, filters) / DIVISORS[protocol]["grad"]


def _stretch(alpha: Tensor) -> Tensor:
    """Scale each image to span [0, 1], as MATLAB's mat2gray does; a constant image becomes 0."""
    low, high = alpha.amin((1, 2, 3), keepdim=True), alpha.amax((1, 2, 3), keepdim=True)
    return (alpha - low) / torch.where(high > low, high - low, 1.0)


def _sums_cv2(batch: CheckedImages, region: str, filters: _GradientFilter) -> Tensor:
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


def _sums_torch(batch: CheckedImages, region: str, filters: _GradientFilter) -> Tensor:
    smooth, derivative, _, border = filters

    def magnitude(images: Tensor) -> Tensor:
        x = _correlate(_correlate(images, smooth, 2, border), derivative, 3, border)
        y = _correlate(_correlate(images, derivative, 2, border), smooth, 3, border)
        return torch.hypot(x, y)

    errors = (magnitude(batch.preds) - magnitude(batch.target)).square()
    mask = batch.mask(region)
    return image_sums(errors if mask is None else errors * mask)


def _correlate(images: Tensor, kernel: np.ndarray, dim: int, border: str) -> Tensor:
    """Correlate in 1-D along ``dim``.

    This adds shifted copies, because cuDNN would round to TF32.
    """
    size = images.shape[dim]
    indices = np.pad(np.arange(size), len(kernel) // 2, mode=border)  # type: ignore[call-overload]
    padded = images.index_select(dim, torch.from_numpy(indices).to(images.device))
    return reduce(
        torch.add, (w * padded.narrow(dim, i, size) for i, w in enumerate(kernel.tolist()))
    )
