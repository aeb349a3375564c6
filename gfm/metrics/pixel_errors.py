"""SAD, MSE and MAD: the errors that sum over pixels."""

from typing import NamedTuple

import torch
from torch import Tensor

from gfm.metrics.inputs import DIVISORS, CheckedImages, image_sums


class PixelErrors(NamedTuple):
    """Errors that sum over pixels; each is float64 of shape (N,), one value per image.

    Attributes:
        sad: Sum of absolute differences, divided as the protocol says.
        mse: Mean of squared differences.
        mad: Mean of absolute differences.
    """

    sad: Tensor
    mse: Tensor
    mad: Tensor


def pixel_errors(batch: CheckedImages, region: str, protocol: str) -> PixelErrors:
    """Compute SAD, MSE and MAD of each image over a region."""
    errors = batch.errors
    mask = batch.mask(region)
    if mask is None or batch.regions is None:
        num_pixels = torch.full((len(errors),), errors[0].numel(), device=errors.device)
    else:
        weights = mask.to(errors.dtype)
        num_pixels = image_sums(weights)
        if protocol == "gfm" and region == "transition":
            # As official: known regions count as if the trimap had been predicted there, so a
            # trimap that contradicts the target adds to the error. The mean is still taken over
            # the pixels of the transition region only.
            known_errors = (batch.target - batch.regions["foreground"].to(errors.dtype)).abs_()
            errors = torch.lerp(known_errors, errors, weights)
        else:
            errors = errors * weights
    absolute, squared = image_sums(errors), image_sums(errors.square())
    # The official code divides by zero where a region is empty; here its mean is 0.
    mse, mad = (
        torch.where(num_pixels > 0, total / num_pixels, 0.0) for total in (squared, absolute)
    )
    return PixelErrors(absolute / DIVISORS[protocol]["sad"], mse, mad)


def absolute_difference_sums(batch: CheckedImages, region: str, protocol: str) -> Tensor:
    """Compute SAD of each image; see `sum_absolute_difference`."""
    return pixel_errors(batch, region, protocol).sad


def squared_difference_means(batch: CheckedImages, region: str, protocol: str) -> Tensor:
    """Compute MSE of each image; see `mean_squared_error`."""
    return pixel_errors(batch, region, protocol).mse


def absolute_difference_means(batch: CheckedImages, region: str, protocol: str) -> Tensor:
    """Compute MAD of each image; see `mean_absolute_difference`."""
    return pixel_errors(batch, region, protocol).mad
