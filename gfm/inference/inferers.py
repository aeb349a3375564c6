"""Inferers that matte a whole photo: at which scales the network looks at it.

``Resize`` and ``Hybrid`` follow the official test code: sides are reduced to multiples of 32 and
capped, pictures are shrunk with Gaussian anti-aliasing as scikit-image does, and results are
enlarged linearly. ``Native``, which resizes nothing, is not in it.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from gfm.errors import GFMError
from gfm.inference.resizing import resize, scaled_size
from gfm.models.fusion import classify
from gfm.models.gfm import GFM
from gfm.models.inputs import check_image


class Prediction(NamedTuple):
    """A matted photo.

    Attributes:
        alpha: N×1×H×W in [0, 1].
        glance: N×1×H×W: 0 background, 0.5 transition, 1 foreground; of two classes 0 and 1.
        focus: N×1×H×W in [0, 1].
        alphas: of each RoSTA branch, by its name.
    """

    alpha: Tensor
    glance: Tensor
    focus: Tensor
    alphas: Mapping[str, Tensor]


class Inferer(Protocol):
    """Mattes photos with a network: image N×3×H×W in [0, 1] to a prediction of that size."""

    def __call__(self, model: GFM, image: Tensor) -> Prediction: ...  # noqa: D102


def described(inferer: Inferer) -> str:
    """Its name and options for people, as in ``resize(scale=0.5, max_size=1600)``."""
    options = (
        f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}"
        for key, value in vars(inferer).items()
    )
    return f"{type(inferer).__name__.lower()}({', '.join(options)})"


class Native:
    """The network sees the photo as it is."""

    def __call__(self, model: GFM, image: Tensor) -> Prediction:
        """See :class:`Inferer`."""
        output = model(image)
        first = next(iter(output.branches.values()))
        alphas = {name: branch.alpha for name, branch in output.branches.items()}
        alpha = output.alpha.clamp(0, 1)  # RIM's is not bounded
        return Prediction(alpha, classify(first.glance), first.focus, alphas)


class Resize:
    """The network sees the photo at one scale (RESIZE; RIM where the network integrates three).

    Args:
        scale: of both sides.
        max_size: of either side, in pixels.

    Raises:
        GFMError: a number is not above 0.
    """

    def __init__(self, scale: float = 0.5, max_size: int = 1600) -> None:
        _check_positive(scale=scale, max_size=max_size)
        self.scale = scale
        self.max_size = max_size

    def __call__(self, model: GFM, image: Tensor) -> Prediction:
        """See :class:`Inferer`."""
        check_image(image)
        height, width = image.shape[-2:]
        small = resize(image, scaled_size(height, width, self.scale, self.max_size))
        prediction = Native()(model, small)
        alpha, glance, focus = (resize(p, (height, width)) for p in prediction[:3])
        alphas = dict.fromkeys(prediction.alphas, alpha)
        if len(alphas) > 1:  # of RIM; a single branch's alpha is the network's
            alphas = {k: resize(p, (height, width)) for k, p in prediction.alphas.items()}
        return Prediction(alpha, glance, focus, alphas)


class Hybrid:
    """Glance at a small scale for semantics, focus at a larger one for detail (HYBRID).

    Each scale runs one decoder only; fusion happens at full size.

    Args:
        glance_scale: of both sides for the glance decoder.
        focus_scale: of both sides for the focus decoder.
        max_size: of either side, in pixels.

    Raises:
        GFMError: a number is not above 0.
    """

    def __init__(
        self, glance_scale: float = 1 / 3, focus_scale: float = 1 / 2, max_size: int = 1600
    ) -> None:
        _check_positive(glance_scale=glance_scale, focus_scale=focus_scale, max_size=max_size)
        self.glance_scale = glance_scale
        self.focus_scale = focus_scale
        self.max_size = max_size

    def __call__(self, model: GFM, image: Tensor) -> Prediction:
        """See :class:`Inferer`; with RIM the enlarged alphas of its branches are integrated."""
        check_image(image)
        height, width = image.shape[-2:]
        size = scaled_size(height, width, self.glance_scale, self.max_size)
        logits = model.run_glance(resize(image, size))
        glances = [resize(classify(branch), (height, width)) for branch in logits]
        size = scaled_size(height, width, self.focus_scale, self.max_size)
        logits = model.run_focus(resize(image, size))
        focuses = [resize(branch.float().sigmoid(), (height, width)) for branch in logits]
        alphas = {
            rosta.name: rosta.fuse(glance, focus)
            for rosta, glance, focus in zip(model.branches, glances, focuses, strict=True)
        }
        alpha = model.integrate(list(alphas.values())).clamp(0, 1)
        return Prediction(alpha, glances[0], focuses[0], alphas)


def _check_positive(**options: Any) -> None:
    for name, value in options.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 < value < math.inf:
            raise GFMError(f"{name}={value} of an inference: give a number above 0")


def named_inferer(name: str, scales: Mapping[str, float] | None = None) -> Inferer:
    """An inferer as ``configs/inference`` names it.

    Args:
        name: ``hybrid``, ``resize``, ``rim`` or ``native``.
        scales: of a photo's sides, ``glance``, ``focus``, ``resize`` and ``rim``; the official
            ones where one is not given.

    Raises:
        GFMError: there is none of that name.
    """
    scales = {"glance": 1 / 3, "focus": 1 / 2, "resize": 1 / 2, "rim": 1 / 3, **(scales or {})}
    if name == "hybrid":
        return Hybrid(scales["glance"], scales["focus"])
    if name in ("resize", "rim"):
        return Resize(scales[name])
    if name == "native":
        return Native()
    raise GFMError(f"unknown inference {name!r}: choose hybrid, resize, rim or native")
