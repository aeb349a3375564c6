"""The scoring protocols as one table; a new protocol is a new entry.

Sources: Li et al., "Bridging Composite and Real: Towards End-to-end Deep Image Matting", IJCV 2022,
official code (``gfm``); Xu et al., "Deep Image Matting", CVPR 2017, MATLAB evaluation code
(``dim``). `docs/metrics.md` compares the two.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import ceil, log, pi, sqrt
from typing import Final, Literal, NamedTuple

import cv2
import numpy as np
from torch import Tensor

from gfm.metrics.inputs import WHOLE, CheckedImages

_SIGMA: Final = 1.4


class GradientFilter(NamedTuple):
    """Derivative of a Gaussian as two 1-D kernels, and the border rule.

    Attributes:
        smooth: Gaussian, applied across the direction of the derivative.
        derivative: Derivative of the Gaussian.
        cv2_border: OpenCV's name of the border rule.
        numpy_border: NumPy's name of the same rule.
    """

    smooth: np.ndarray
    derivative: np.ndarray
    cv2_border: int
    numpy_border: str


def _scipy_filter() -> GradientFilter:
    radius = int(4 * _SIGMA + 0.5)  # scipy.ndimage truncates at 4 sigma
    x = np.arange(-radius, radius + 1, dtype=np.float64)
    smooth = np.exp(-0.5 * (x / _SIGMA) ** 2)
    smooth /= smooth.sum()
    derivative = x / _SIGMA**2 * smooth
    # SciPy's "reflect" repeats the edge pixel (d c b a | a b c d).
    return GradientFilter(smooth, derivative, cv2.BORDER_REFLECT, "symmetric")


def _matlab_filter() -> GradientFilter:
    epsilon = 0.01  # the kernel ends where the Gaussian falls below it
    radius = ceil(_SIGMA * sqrt(-2 * log(sqrt(2 * pi) * _SIGMA * epsilon)))
    x = np.arange(-radius, radius + 1, dtype=np.float64)
    # Normalising both 1-D kernels normalises their outer product, which is what MATLAB does.
    smooth = np.exp(-0.5 * (x / _SIGMA) ** 2)
    smooth /= np.linalg.norm(smooth)
    derivative = x * smooth
    derivative /= np.linalg.norm(derivative)
    return GradientFilter(smooth, derivative, cv2.BORDER_REPLICATE, "edge")


@dataclass(frozen=True)
class ScoringProtocol:
    """The metrics that a protocol reports, and their variants.

    Attributes:
        name: Name in options and messages.
        metric_names: Reported metrics in order. SAD, MSE and MAD may have the name of a region of
            the trimap as a suffix, such as ``_transition``.
        divisors: Divisor of each metric that sums over pixels; the others are means per pixel.
        trimap_region: Region of metrics without a suffix if there is a trimap.
        replaces_known: Whether SAD, MSE and MAD of the transition region sum over the whole image,
            with predictions of known pixels replaced by the trimap.
        stretches_alpha: Whether Grad first scales each alpha to span [0, 1].
        gradient_filter: Filter of Grad.
        thresholds: The eleven thresholds of Conn.
        component_order: Order in which Conn numbers components, by rows (``C``) or by columns
            (``F``); the first of equally large ones counts.
    """

    name: str
    metric_names: tuple[str, ...]
    divisors: Mapping[str, int]
    trimap_region: str
    replaces_known: bool
    stretches_alpha: bool
    gradient_filter: GradientFilter
    thresholds: tuple[float, ...]
    component_order: Literal["C", "F"]

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions of the trimap that suffixes of metric names refer to."""
        suffixes = (name.partition("_")[2] for name in self.metric_names)
        return tuple(dict.fromkeys(suffix for suffix in suffixes if suffix))

    def default_region(self, has_trimap: bool) -> str:
        """Return the region that metrics without a suffix score."""
        return self.trimap_region if has_trimap else WHOLE


PerImage = Callable[[CheckedImages, str, ScoringProtocol], Tensor]
"""Function of a batch, a region and a protocol to one value per image, of shape (N,)."""

GFM: Final = ScoringProtocol(
    name="gfm",
    metric_names=(
        *("sad", "mse", "mad", "grad", "conn"),
        *("sad_transition", "mse_transition", "mad_transition"),
        *("sad_foreground", "sad_background"),
    ),
    divisors={"sad": 1000, "grad": 10, "conn": 1000},
    trimap_region=WHOLE,
    replaces_known=True,
    stretches_alpha=False,
    gradient_filter=_scipy_filter(),
    thresholds=tuple(np.arange(0, 1.1, 0.1).tolist()),  # rounding puts three of them above k/10
    component_order="C",  # scikit-image's
)
DIM: Final = ScoringProtocol(
    name="dim",
    metric_names=("sad", "mse", "grad", "conn"),
    divisors={"sad": 1000, "grad": 1000, "conn": 1000},
    trimap_region="transition",
    replaces_known=False,
    stretches_alpha=True,
    gradient_filter=_matlab_filter(),
    thresholds=tuple((np.arange(11) / 10).tolist()),
    component_order="F",  # MATLAB's
)

PROTOCOLS: Final = {protocol.name: protocol for protocol in (GFM, DIM)}

METRIC_NAMES: Final = {name: protocol.metric_names for name, protocol in PROTOCOLS.items()}
"""Names of the metrics that each protocol reports, in order."""

_COLUMNS: Final = ("name", "input", "alpha", "truth", "error", "num_images", "best")
"""Columns of the results that are not metrics: photos, pictures, counts and the objective."""

_UNITS: Final = {10: "tens", 1000: "thousands"}


def find_protocol(name: str) -> ScoringProtocol:
    """Return the protocol of that name, else raise ValueError."""
    if name not in PROTOCOLS:
        raise ValueError(f"unknown protocol {name!r}: choose {' or '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def metric_names(protocol: str, extra: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the names of a protocol's metrics and of extra ones, which must differ.

    Raises:
        ValueError: A name is taken, by such a metric or by another column of the results.
    """
    names = find_protocol(protocol).metric_names
    if taken := [name for name in extra if name in names]:
        raise ValueError(f"protocol {protocol!r} has a metric {taken[0]!r}: choose another name")
    if taken := [name for name in extra if name in _COLUMNS]:
        raise ValueError(f"results have a column {taken[0]!r}: choose another name for the metric")
    return (*names, *extra)


def metric_units(protocol: str) -> dict[str, str]:
    """Return the unit of each metric of a protocol: ``thousands``, ``tens`` or ``per pixel``."""
    chosen = find_protocol(protocol)
    divisors = {name: chosen.divisors.get(name.split("_")[0]) for name in chosen.metric_names}
    return {name: _UNITS[by] if by else "per pixel" for name, by in divisors.items()}
