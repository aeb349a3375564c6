"""Checks the images that metrics score, and divides them into the regions of a trimap."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor

from gfm.compat.torch import as_tensor
from gfm.errors import GFMError
from gfm.rosta import BACKGROUND, FOREGROUND, TRANSITION

Images = Tensor | np.ndarray | Sequence[Tensor | np.ndarray]
"""N×1×H×W, 1×H×W or H×W, or a list of such images of any sizes."""

WHOLE: Final = "whole"
"""The region that needs no trimap."""

TRIMAP_VALUES: Final = {
    "transition": TRANSITION,
    "foreground": FOREGROUND,
    "background": BACKGROUND,
}
"""The other regions, and their values in a trimap."""


@dataclass(frozen=True)
class CheckedImages:
    """A batch of images of one size that have passed the checks.

    Attributes:
        preds: N×1×H×W in [0, 1], float32 or float64.
        target: Same shape and type.
        regions: A 0/1 map of each region of the trimap, N×1×H×W, uint8; None without a trimap.
    """

    preds: Tensor
    target: Tensor
    regions: dict[str, Tensor] | None

    def mask(self, region: str) -> Tensor | None:
        """Return the 0/1 uint8 map of ``region``, or None for the whole image."""
        if region == WHOLE:
            return None
        if self.regions is None:
            raise ValueError(f"region {region!r} needs a trimap: pass one")
        return self.regions[region]

    def arrays(self, region: str) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
        """Yield preds, target and mask of each image as OpenCV takes them, H×W in host memory."""
        mask = self.mask(region)
        masks = [None] * len(self.preds) if mask is None else _host_arrays(mask)
        return zip(_host_arrays(self.preds), _host_arrays(self.target), masks, strict=True)


def _host_arrays(images: Tensor) -> np.ndarray:
    return images[:, 0].cpu().numpy()


def is_on_host(images: Tensor) -> bool:
    """Return whether images are in host memory, where OpenCV is several times as fast as torch."""
    return images.device.type == "cpu"


def wide_dtype(device: torch.device) -> torch.dtype:
    """Return the type of sums and means on a device: float64, but float32 on Apple GPUs."""
    return torch.float32 if device.type == "mps" else torch.float64


def image_sums(values: Tensor, mask: Tensor | None = None) -> Tensor:
    """Sum non-negative N×1×H×W over each image, or where a 0/1 mask is 1; of shape (N,)."""
    device, dtype = values.device, wide_dtype(values.device)
    if is_on_host(values):
        masks = [None] * len(values) if mask is None else _host_arrays(mask)
        pairs = zip(_host_arrays(values), masks, strict=True)
        sums = [cv2.norm(v, cv2.NORM_L1, m) for v, m in pairs]
        return torch.tensor(sums, dtype=dtype, device=device)
    masked = values if mask is None else values * mask
    # Rows are summed in the precision of the values, which is several times as fast.
    return masked.sum(dim=3).to(dtype).sum(dim=(1, 2))


@contextmanager
def name_photo(name: str) -> Iterator[None]:
    """Raise the ``ValueError`` of a metric as a ``GFMError`` that names the photo."""
    try:
        yield
    except ValueError as error:
        raise GFMError(f"photo {name}: {error}") from error


def check_region(region: str | None) -> str | None:
    """Return ``region`` if it is known or None, else raise ValueError."""
    choices = (WHOLE, *TRIMAP_VALUES)
    if region is not None and region not in choices:
        raise ValueError(f"unknown region {region!r}: choose {', '.join(choices)}")
    return region


def check_images(preds: Images, target: Images, trimap: Images | None) -> list[CheckedImages]:
    """Check images, and reshape them to one batch of N×1×H×W, or lists to a batch per image.

    Raises:
        TypeError: An input is not a tensor, an array or a list of these, or alpha is not float.
        ValueError: Shapes differ, alpha is NaN or out of range, or the trimap holds values other
            than 0, 128 and 255.
    """
    if not isinstance(preds, list | tuple):
        return [_to_batch(preds, target, trimap)]
    trimaps = [None] * len(preds) if trimap is None else trimap
    for name, images in (("target", target), ("trimap", trimaps)):
        if not isinstance(images, list | tuple):
            raise TypeError(f"preds is a list but {name} is not: pass a list of equal length")
        if len(images) != len(preds):
            raise ValueError(
                f"preds holds {len(preds)} images but {name} holds {len(images)}: pass equally many"
            )
    if not preds:
        raise ValueError("preds is an empty list: pass at least one image")
    return [_to_batch(*images) for images in zip(preds, target, trimaps, strict=True)]


def _to_batch(preds: object, target: object, trimap: object | None) -> CheckedImages:
    alphas = _to_tensor("preds", preds), _to_tensor("target", target)
    for name, alpha in zip(("preds", "target"), alphas, strict=True):
        _check_alpha(name, alpha)
    _check_shapes(alphas[0], "target", alphas[1])
    is_double = all(alpha.dtype == torch.float64 for alpha in alphas)
    dtype = torch.float64 if is_double else torch.float32
    regions = None
    if trimap is not None:
        labels = _to_tensor("trimap", trimap)
        _check_shapes(alphas[0], "trimap", labels)
        regions = _to_regions(labels)
    return CheckedImages(alphas[0].to(dtype), alphas[1].to(dtype), regions)


def _to_tensor(name: str, images: object) -> Tensor:
    if isinstance(images, np.ndarray):
        try:
            images = as_tensor(images)
        except TypeError as error:
            raise TypeError(f"{name} is an array of {images.dtype}: pass numbers") from error
    if not isinstance(images, Tensor):
        raise TypeError(f"{name} is a {type(images).__name__}: pass a tensor, an array or a list")
    if images.is_meta or images.layout != torch.strided:
        raise TypeError(f"{name} is a sparse tensor or has no data: pass a dense one")
    shape = tuple(images.shape)
    if images.ndim in (2, 3):
        images = images.reshape((1,) * (4 - images.ndim) + shape)
    if images.ndim != 4 or images.shape[1] != 1 or images.numel() == 0:
        raise ValueError(f"{name} has shape {shape}: expected (N, 1, H, W), (1, H, W) or (H, W)")
    return images.detach()


def _check_shapes(preds: Tensor, name: str, other: Tensor) -> None:
    if preds.shape != other.shape:
        raise ValueError(
            f"preds has shape {tuple(preds.shape)} but {name} has {tuple(other.shape)}: resize "
            "one of them"
        )


def _check_alpha(name: str, alpha: Tensor) -> None:
    if not alpha.is_floating_point():
        raise TypeError(
            f"{name} is {alpha.dtype}: pass floats in [0, 1], such as 8-bit images / 255"
        )
    low, high = torch.stack(torch.aminmax(alpha)).tolist()
    if low != low:  # aminmax propagates NaN
        raise ValueError(f"{name} contains NaN: check the network or file that it comes from")
    if low < 0 or high > 1:
        raise ValueError(
            f"{name} spans [{low}, {high}], but alpha lies in [0, 1]: divide 8-bit values by 255, "
            "or clamp"
        )


def _to_regions(trimap: Tensor) -> dict[str, Tensor]:
    # On the CPU a comparison is vectorised if it writes the trimap's own type, not booleans.
    regions = {
        name: torch.eq(trimap, value, out=torch.empty_like(trimap)).to(torch.uint8)
        for name, value in TRIMAP_VALUES.items()
    }
    if not reduce(torch.add, regions.values()).min():
        raise ValueError(
            "trimap holds values other than 0, 128 and 255: resize it by nearest neighbour, "
            "and map its regions to these three"
        )
    return regions
