"""Conn: differences in how firmly pixels are connected to the largest common part of two mattes.

The official code labels the components of ten thresholded images, which is slow. Here one flood
fill per threshold nearly always suffices: the thresholded sets are nested, and a component with
more than half of the pixels of a set must be its largest.
"""

from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor

from gfm.metrics.difference_windows import differing_windows
from gfm.metrics.inputs import CheckedImages, wide_dtype
from gfm.metrics.protocols import ScoringProtocol

_THETA: Final = 0.15
_LEVELS: Final = np.arange(11) / 10
_Seed = tuple[int, int]  # (x, y) of a pixel


def connectivity_errors(batch: CheckedImages, region: str, protocol: ScoringProtocol) -> Tensor:
    """Compute Conn of each image on the CPU, of shape (N,); see `connectivity_error`."""
    errors = [_image_error(*arrays, protocol) for arrays in batch.arrays(region)]
    device = batch.preds.device
    return torch.tensor(errors, dtype=wide_dtype(device), device=device)


def _image_error(
    preds: np.ndarray, target: np.ndarray, mask: np.ndarray | None, protocol: ScoringProtocol
) -> float:
    dtype = preds.dtype
    thresholds = _thresholds(dtype, protocol)
    depth, num_levels = _connected_depth(cv2.min(preds, target), thresholds, protocol)
    levels = np.zeros((1, 256), dtype)
    levels[0, :11] = _LEVELS.astype(np.float32)  # the official map of levels is float32
    levels[0, num_levels] = 1  # in the largest component at every threshold
    # OpenCV compares with >, the definition with >=.
    theta = float(np.nextafter(dtype.type(_THETA), dtype.type(0)))
    total = 0.0
    for window in differing_windows(preds, target):
        level = cv2.LUT(depth[window], levels)
        first, second = (cv2.subtract(alpha[window], level) for alpha in (preds, target))
        for distance in (first, second):
            cv2.threshold(distance, theta, 0, cv2.THRESH_TOZERO, dst=distance)
        total += cv2.norm(first, second, cv2.NORM_L1, None if mask is None else mask[window])
    return total / protocol.divisors["conn"]


def _thresholds(dtype: np.dtype, protocol: ScoringProtocol) -> np.ndarray:
    """Return the thresholds, adjusted so that a float32 counts as the decimal it stands for.

    153/255 is 0.6, which is below the official threshold 0.6000000000000001; rounded to float32, it
    would be above. In MATLAB's single precision both are equal.
    """
    thresholds = _LEVELS.astype(dtype)
    above = np.array(protocol.thresholds) > _LEVELS
    thresholds[above] = np.nextafter(thresholds[above], dtype.type(2))
    return thresholds


def _connected_depth(
    minimum: np.ndarray, thresholds: np.ndarray, protocol: ScoringProtocol
) -> tuple[np.ndarray, int]:
    """Count the thresholds, from the lowest up, until each pixel leaves the largest component.

    Where the pixelwise minimum of the mattes reaches a threshold, both do.

    Returns:
        Map of the counts, uint8, and the number of thresholds that any pixel reaches. Higher
        thresholds are skipped as in the official GFM code; the MATLAB code is undefined there.
    """
    depth = np.zeros(minimum.shape, np.uint8)
    x, y, width, height = cv2.boundingRect(_at_least(minimum, thresholds[1]))
    window = np.s_[y : y + height, x : x + width]
    inner_depth, inner_minimum = depth[window], minimum[window]
    num_levels = int((thresholds[1:] <= minimum.max()).sum())
    seed: _Seed | None = None
    # From the highest down, so that the seed of one threshold lies in the set of the next.
    for threshold in thresholds[num_levels:0:-1]:
        level_set = _at_least(inner_minimum, threshold)
        if seed is None:
            seed = _central_pixel(level_set)
        component, next_seed = _largest_component(level_set, seed, protocol)
        if not component[seed[1], seed[0]]:
            inner_depth[:] = 0  # the component of the higher thresholds is not the largest here
        inner_depth += component
        seed = next_seed
    return depth, num_levels


def _at_least(values: np.ndarray, threshold: np.floating) -> np.ndarray:
    return (values >= threshold).view(np.uint8)


def _central_pixel(mask: np.ndarray) -> _Seed:
    """Return the middle pixel of the fullest row, which is most likely in the largest component."""
    y = int(cv2.reduce(mask, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S).argmax())
    columns = np.flatnonzero(mask[y])
    return int(columns[len(columns) // 2]), y


def _largest_component(
    mask: np.ndarray, seed: _Seed, protocol: ScoringProtocol
) -> tuple[np.ndarray, _Seed]:
    """Return the largest 4-connected component of a 0/1 image, and one of its pixels."""
    filled = mask.copy()
    area = cv2.floodFill(filled, None, seed, 2, flags=4)[0]
    if 2 * area > cv2.countNonZero(mask):
        return filled >> 1, seed
    _, labels = cv2.connectedComponents(mask, connectivity=4)
    areas = np.bincount(labels.ravel())
    areas[0] = 0  # label 0 is the background
    ties = np.flatnonzero(areas == areas.max())
    label = ties[0]
    if len(ties) > 1:
        ordered = labels.ravel(protocol.component_order)
        label = ordered[np.isin(ordered, ties).argmax()]
    component = labels == label
    y, x = np.unravel_index(component.argmax(), component.shape)
    return component.view(np.uint8), (int(x), int(y))
