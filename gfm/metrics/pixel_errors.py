"""SAD, MSE and MAD: errors summed pixel by pixel."""

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor

from gfm.metrics.inputs import CheckedImages, image_sums
from gfm.metrics.protocols import PerImage, ScoringProtocol


def pixel_errors(
    batch: CheckedImages, regions: Iterable[str], protocol: ScoringProtocol
) -> dict[str, dict[str, Tensor]]:
    """Compute SAD, MSE and MAD of each image over several regions, of shape (N,).

    The result maps regions to errors by name.
    """
    errors = (batch.preds - batch.target).abs_()
    squares = errors.square()
    found = {}
    for region in regions:
        mask = batch.mask(region)
        absolute, squared = image_sums(errors, mask), image_sums(squares, mask)
        if region == "transition" and protocol.replaces_known:
            more_absolute, more_squared = _known_errors(batch)
            absolute, squared = absolute + more_absolute, squared + more_squared
        everywhere = torch.full_like(absolute, errors[0].numel())
        num_pixels = everywhere if mask is None else image_sums(mask)
        # The official code divides by zero where a region is empty; here its mean is 0.
        mse, mad = (torch.where(num_pixels > 0, x / num_pixels, 0.0) for x in (squared, absolute))
        found[region] = {"sad": absolute / protocol.divisors["sad"], "mse": mse, "mad": mad}
    return found


def _known_errors(batch: CheckedImages) -> tuple[Tensor, Tensor]:
    """Sum the absolute and squared errors at known pixels, with the trimap as the prediction.

    As in the official code, a trimap that contradicts the target adds to the error of the
    transition region. The mean is still over the pixels of that region only.
    """
    assert batch.regions is not None
    foreground, transition = batch.regions["foreground"], batch.regions["transition"]
    errors = (batch.target - foreground).abs_()
    known = 1 - transition
    return image_sums(errors, known), image_sums(errors.square(), known)


def pixel_error(name: Literal["sad", "mse", "mad"]) -> PerImage:
    """Return the function that computes one of the errors."""

    def per_image(batch: CheckedImages, region: str, protocol: ScoringProtocol) -> Tensor:
        return pixel_errors(batch, [region], protocol)[region][name]

    return per_image
