"""Mattes large pictures at a smaller size."""

from functools import partial

from torch import Tensor

from gfm.inference.detail import enlarge, enlarge_linearly, shrink
from gfm.inference.inferers import Inferer, Prediction
from gfm.models.gfm import GFM


class Shrinking:
    """Shrinks large pictures for an inferer, as the official test does with user photos.

    Their mattes are enlarged along the picture's edges; see :func:`gfm.inference.detail.enlarge`.

    Args:
        inferer: Mattes the shrunken pictures.
        shorter_side: Limit of the shorter side in pixels; ``None`` never shrinks.
    """

    def __init__(self, inferer: Inferer, shorter_side: int | None) -> None:
        self.inferer = inferer
        self.shorter_side = shorter_side

    def __call__(self, model: GFM, image: Tensor) -> Prediction:
        """See :class:`gfm.inference.Inferer`; ``image`` may also be uint8."""
        small = shrink(image, self.shorter_side)
        prediction = self.inferer(model, small)
        size = (image.shape[-2], image.shape[-1])
        if small.shape[-2:] == size:
            return prediction
        alpha = enlarge(prediction.alpha.float().clamp(0, 1), small, image)
        return prediction.resized(alpha, partial(enlarge_linearly, size=size))


def shrinking(inferer: Inferer, shorter_side: int | None) -> Inferer:
    """Return an inferer that shrinks larger pictures, or ``inferer`` itself without a limit."""
    return inferer if shorter_side is None else Shrinking(inferer, shorter_side)
