"""Inferers: each mattes a whole photo, and chooses the scales at which the network sees it.

``Resize`` and ``Hybrid`` follow the official test code: sides are limited and rounded down to
multiples of 32, pictures are shrunk with Gaussian anti-aliasing as in scikit-image, and results are
enlarged linearly. ``Native``, which does not resize, has no official counterpart.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from gfm.errors import GFMError
from gfm.inference.resizing import resize, scaled_size
from gfm.models.fusion import classify
from gfm.models.gfm import GFM, check_image


class Prediction(NamedTuple):
    """The result for a batch of photos.

    Attributes:
        alpha: N×1×H×W in [0, 1].
        glance: N×1×H×W: 0 background, 0.5 transition, 1 foreground; with two classes only 0 and 1.
            For RIM, the glance of the first branch; likewise ``focus``.
        focus: N×1×H×W in [0, 1].
        alphas: Alpha of each branch by the name of its RoSTA.
    """

    alpha: Tensor
    glance: Tensor
    focus: Tensor
    alphas: Mapping[str, Tensor]

    def resized(self, alpha: Tensor, resize: Callable[[Tensor], Tensor]) -> "Prediction":
        """Return the prediction with ``alpha``, a resized matte, and the other maps at its size."""
        alphas = dict.fromkeys(self.alphas, alpha)
        if len(alphas) > 1:  # RIM; with a single branch, its alpha is that of the network
            alphas = {name: resize(branch) for name, branch in self.alphas.items()}
        return Prediction(alpha, resize(self.glance), resize(self.focus), alphas)


class Inferer(Protocol):
    """Mattes N×3×H×W images in [0, 1]; the prediction has the same size."""

    def __call__(self, model: GFM, image: Tensor) -> Prediction: ...  # noqa: D102


def format_inferer(inferer: Inferer, is_exact: bool = False) -> str:
    """Format an inferer as ``resize(scale=0.5, max_size=1600)``, with rounded or exact numbers.

    The options of a wrapper around it, such as a size limit, are included.
    """
    inner = getattr(inferer, "inferer", inferer)
    options = {**vars(inner), **vars(inferer)}
    options.pop("inferer", None)
    texts = (
        f"{name}={value:g}" if isinstance(value, float) and not is_exact else f"{name}={value}"
        for name, value in options.items()
    )
    return f"{type(inner).__name__.lower()}({', '.join(texts)})"


class Native:
    """Runs the network at the size of the photo."""

    def __call__(self, model: GFM, image: Tensor) -> Prediction:
        """See :class:`Inferer`."""
        output = model(image)
        first = next(iter(output.branches.values()))
        alphas = {name: branch.alpha for name, branch in output.branches.items()}
        alpha = output.alpha.clamp(0, 1)  # RIM's is unbounded
        return Prediction(alpha, classify(first.glance), first.focus, alphas)


class Resize:
    """Runs the network at one scale (official: RESIZE, and the only inference of RIM).

    Args:
        scale: Factor on both sides.
        max_size: Limit of each side that the network sees, in pixels.

    Raises:
        GFMError: A number is not positive.
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
        enlarge = partial(resize, size=(height, width))
        return prediction.resized(enlarge(prediction.alpha), enlarge)


class Branch(Resize):
    """Runs RIM at one scale, and returns the alpha of one branch instead of the integrated one.

    Args:
        rosta: Branch: ``tt``, ``ft`` or ``bt``.
        scale: See :class:`Resize`.
        max_size: See :class:`Resize`.

    Raises:
        GFMError: A number is not positive, or the network has no such branch.
    """

    def __init__(self, rosta: str, scale: float = 1 / 3, max_size: int = 1600) -> None:
        super().__init__(scale, max_size)
        self.rosta = rosta

    def __call__(self, model: GFM, image: Tensor) -> Prediction:
        """See :class:`Inferer`."""
        prediction = super().__call__(model, image)
        if self.rosta not in prediction.alphas:
            known = ", ".join(prediction.alphas)
            raise GFMError(f"inference.rosta={self.rosta}: the network has only {known}")
        return prediction._replace(alpha=prediction.alphas[self.rosta])


class Hybrid:
    """Runs glance at a small scale for semantics, and focus at a larger one for detail.

    This is the official HYBRID. Only the decoder that is needed runs at each scale, and the results
    are fused at full size.

    Args:
        glance_scale: Factor on both sides for the glance decoder.
        focus_scale: Factor on both sides for the focus decoder.
        max_size: Limit of each side that the network sees, in pixels.

    Raises:
        GFMError: A number is not positive.
    """

    def __init__(
        self, glance_scale: float = 1 / 3, focus_scale: float = 1 / 2, max_size: int = 1600
    ) -> None:
        _check_positive(glance_scale=glance_scale, focus_scale=focus_scale, max_size=max_size)
        self.glance_scale = glance_scale
        self.focus_scale = focus_scale
        self.max_size = max_size

    def __call__(self, model: GFM, image: Tensor) -> Prediction:
        """See :class:`Inferer`; RIM integrates the enlarged alphas of its branches."""
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
            raise GFMError(f"inference.{name}={value}: choose a number above 0")


def make_inferer(name: str, scales: Mapping[str, float] | None = None) -> Inferer:
    """Make an inferer from its name in ``configs/inference``.

    Args:
        name: ``hybrid``, ``resize``, ``rim`` or ``native``.
        scales: Factors on both sides of a photo for ``glance``, ``focus``, ``resize`` and ``rim``;
            by default the official ones.

    Raises:
        GFMError: The name is unknown.
    """
    scales = {"glance": 1 / 3, "focus": 1 / 2, "resize": 1 / 2, "rim": 1 / 3, **(scales or {})}
    if name == "hybrid":
        return Hybrid(scales["glance"], scales["focus"])
    if name in ("resize", "rim"):
        return Resize(scales[name])
    if name == "native":
        return Native()
    raise GFMError(f"unknown inference {name!r}: choose hybrid, resize, rim or native")
