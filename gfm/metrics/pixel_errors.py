"""SAD, MSE and MAD: errors summed pixel by pixel."""

from typing import NamedTuple

import torch
from torch import Tensor

from gfm.metrics.inputs import CheckedImages, image_sums
from gfm.metrics.protocols import ScoringProtocol


class PixelErrors(NamedTuple):
    """Errors of each image, float64 of shape (N,)."""

    sad: Tensor
    mse: Tensor
    mad: Tensor


def pixel_errors(batch: CheckedImages, region: str, protocol: ScoringProtocol) -> PixelErrors:
    """Compute SAD, MSE and MAD of each image over a region."""
    errors = batch.errors
    mask = batch.mask(region)
    if mask is None or batch.regions is None:
        num_pixels = torch.full((len(errors),), errors[0].numel(), device=errors.device)
    else:
        weights = mask.to(errors.dtype)
        num_pixels = image_sums(weights)
        if protocol.replaces_known and region == "transition":
            # As official: known pixels count as if the trimap had been predicted there, so a trimap
            # that contradicts the target adds to the error. The mean is still taken over the pixels
            # of the transition region only.
            known_errors = (batch.target - batch.regions["foreground"].to(errors.dtype)).abs_()
            errors = torch.lerp(known_errors, errors, weights)
        else:
            errors = errors * weights
    absolute, squared = image_sums(errors), image_sums(errors.square())
    # The official code divides by zero where a region is empty; here its mean is 0.
    mse, mad = (
        torch.where(num_pixels > 0, total / num_pixels, 0.0) for total in (squared, absolute)
    )
    return PixelErrors(absolute / protocol.divisors["sad"], mse, mad)


def absolute_difference_sums(
    batch: CheckedImages, region: str, protocol: ScoringProtocol
) -> Tensor:
    """Compute SAD of each image; see `sum_absolute_difference`."""
    return pixel_errors(batch, region, protocol).sad


def squared_difference_means(
    batch: CheckedImages, region: str, protocol: ScoringProtocol
) -> Tensor:
    """Compute MSE of each image; see `mean_squared_error`."""
    return pixel_errors(batch, region, protocol).mse


def absolute_difference_means(
    batch: CheckedImages, region: str, protocol: ScoringProtocol
) -> Tensor:
    """Compute MAD of each image; see `mean_absolute_difference`."""
    return pixel_errors(batch, region, protocol).mad
