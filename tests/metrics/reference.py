"""Plain reference implementation of both protocols, independent of gfm.

Arrays are H×W float64 in [0, 1], trimaps H×W with 0, 128 and 255.
"""

from itertools import pairwise

import numpy as np
from scipy import ndimage
from skimage.measure import label, regionprops

SIGMA = 1.4


def gfm(
    preds: np.ndarray, target: np.ndarray, trimap: np.ndarray, distance_maps: bool = False
) -> dict[str, float]:
    """Evaluate one image as the official GFM code does."""
    error = np.abs(preds - target)
    unknown = trimap == 128
    replaced = np.where(trimap == 255, 1.0, np.where(trimap == 0, 0.0, preds))
    transition_error = np.abs(replaced - target)
    count = max(unknown.sum(), 1)
    empty = not unknown.any()
    return {
        "sad": error.sum() / 1000,
        "mse": (error**2).sum() / error.size,
        "mad": error.sum() / error.size,
        "grad": gfm_gradient(preds, target),
        "conn": gfm_connectivity(preds, target, distance_maps),
        "sad_transition": transition_error.sum() / 1000,
        "mse_transition": 0.0 if empty else (transition_error**2).sum() / count,
        "mad_transition": 0.0 if empty else transition_error.sum() / count,
        "sad_foreground": error[trimap == 255].sum() / 1000,
        "sad_background": error[trimap == 0].sum() / 1000,
    }


def gfm_gradient(preds: np.ndarray, target: np.ndarray) -> float:
    def magnitude(alpha: np.ndarray) -> np.ndarray:
        y = ndimage.gaussian_filter(alpha, SIGMA, order=[1, 0], output=np.float32)
        x = ndimage.gaussian_filter(alpha, SIGMA, order=[0, 1], output=np.float32)
        return np.sqrt(x**2 + y**2)

    return float(((magnitude(preds) - magnitude(target)) ** 2).sum() / 10)


def gfm_connectivity(preds: np.ndarray, target: np.ndarray, distance_maps: bool = False) -> float:
    """Compute Conn, and with ``distance_maps`` also the maps that the official code never uses."""
    thresholds = np.arange(0, 1.1, 0.1)
    level = np.full(preds.shape, -1, np.float32)
    for previous, threshold in pairwise(thresholds):
        components = regionprops(
            label((preds >= threshold) & (target >= threshold), connectivity=1)
        )
        if not components:
            continue
        coordinates = components[np.argmax([c.area for c in components])].coords
        omega = np.zeros(preds.shape, bool)
        omega[coordinates[:, 0], coordinates[:, 1]] = True
        level[(level == -1) & ~omega] = previous
        if distance_maps:
            distances = ndimage.distance_transform_edt(~omega)
            distances / distances.max()
    level[level == -1] = 1
    return float(np.abs(_phi(preds - level) - _phi(target - level)).sum() / 1000)


def dim(
    preds: np.ndarray, target: np.ndarray, trimap: np.ndarray | None = None
) -> dict[str, float]:
    """Evaluate one image as DIM's MATLAB code does; without a trimap all pixels are unknown."""
    unknown = np.ones(preds.shape, bool) if trimap is None else trimap == 128
    error = np.abs(preds - target)[unknown]
    return {
        "sad": error.sum() / 1000,
        "mse": (error**2).sum() / max(unknown.sum(), 1),
        "grad": dim_gradient(preds, target, unknown),
        "conn": dim_connectivity(preds, target, unknown),
    }


def dim_gradient(preds: np.ndarray, target: np.ndarray, unknown: np.ndarray) -> float:
    half_size = int(np.ceil(SIGMA * np.sqrt(-2 * np.log(np.sqrt(2 * np.pi) * SIGMA * 0.01))))
    y, x = np.mgrid[-half_size : half_size + 1, -half_size : half_size + 1]
    kernel = -x * np.exp(-(x**2 + y**2) / (2 * SIGMA**2))
    kernel /= np.sqrt((kernel**2).sum())

    def amplitude(alpha: np.ndarray) -> np.ndarray:
        span = np.ptp(alpha)
        alpha = (alpha - alpha.min()) / span if span else np.zeros_like(alpha)
        gradients = [ndimage.convolve(alpha, k, mode="nearest") for k in (kernel, kernel.T)]
        return np.hypot(*gradients)

    return float(((amplitude(preds) - amplitude(target)) ** 2)[unknown].sum() / 1000)


def dim_connectivity(preds: np.ndarray, target: np.ndarray, unknown: np.ndarray) -> float:
    """Compute Conn in single precision with components numbered by columns, as MATLAB does."""
    preds, target = preds.astype(np.float32), target.astype(np.float32)
    thresholds = np.arange(11, dtype=np.float32) / np.float32(10)
    level = np.full(preds.shape, -1, np.float32)
    for previous, threshold in pairwise(thresholds):
        labels = label(((preds >= threshold) & (target >= threshold)).T, connectivity=1).T
        areas = [component.area for component in regionprops(labels)]
        if not areas:
            continue  # the MATLAB code is undefined here
        omega = labels == 1 + np.argmax(areas)
        level[(level == -1) & ~omega] = previous
    level[level == -1] = 1
    errors = np.abs(_phi(preds - level) - _phi(target - level))
    return float(errors[unknown].sum(dtype=np.float64) / 1000)


def _phi(distance: np.ndarray) -> np.ndarray:
    return 1 - distance * (distance >= 0.15)
