"""Strategies that matte a whole photo: at which scales the network looks at it.

``Resize`` and ``Hybrid`` follow the official test code: sides are reduced to multiples of 32 and
capped, pictures are shrunk with Gaussian anti-aliasing as scikit-image does, and results are
enlarged linearly. ``Native``, which resizes nothing, is not in it.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from gfm.models.fusion import classify
from gfm.models.gfm import GFM

_MULTIPLE = 32


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


class Strategy(Protocol):
    """Mattes photos with a network: image N×3×H×W in [0, 1] to a prediction of that size."""

    def __call__(self, model: GFM, image: Tensor) -> Prediction: ...  # noqa: D102


def _resizing_matrix(length: int, target: int, device: torch.device) -> Tensor:
    """Weights of ``length`` pixels in each of ``target`` pixels: target×length, float32."""
    sigma = max((length / target - 1) / 2, 0)
    radius = int(4 * sigma + 0.5)
    taps = torch.arange(-radius, radius + 1, device=device)
    gauss = torch.exp(-0.5 * (taps / sigma).square()) if radius else torch.ones(1, device=device)
    gauss = gauss / gauss.sum()

    position = (torch.arange(target, device=device, dtype=torch.float64) + 0.5) * (length / target)
    low = (position - 0.5).floor()
    after = (position - 0.5 - low).float()
    matrix = torch.zeros(target, length, device=device)
    for pixel, weight in ((low, 1 - after), (low + 1, after)):
        indices = (pixel.long()[:, None] + taps).abs()
        period = max(2 * length - 2, 1)  # mirrored at the border pixels, as often as it takes
        indices = indices % period
        indices = torch.minimum(indices, period - indices)
        matrix.scatter_add_(1, indices, weight[:, None] * gauss)
    return matrix


def resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Linear resizing, after a Gaussian of sigma (factor - 1) / 2 where it shrinks.

    The same as ``skimage.transform.resize`` with its defaults, which the official code uses: it
    mirrors at the border, where ``torch.nn.functional.interpolate`` repeats the last pixel. Both
    steps are linear and separable, hence one matrix per side.

    Args:
        image: N×C×H×W, float.
        size: (height, width) of the result.
    """
    height, width = image.shape[-2:]
    with torch.autocast(image.device.type, enabled=False):
        image = image.float()
        if width != size[1]:
            image = image @ _resizing_matrix(width, size[1], image.device).T
        if height != size[0]:
            image = _resizing_matrix(height, size[0], image.device) @ image
    return image


def scaled_size(height: int, width: int, scale: float, max_size: int) -> tuple[int, int]:
    """Sides times ``scale``, down to multiples of 32, at least 32 and at most ``max_size``."""

    def side(length: int) -> int:
        scaled = int(length * scale)
        return max(_MULTIPLE, min(max_size, scaled - scaled % _MULTIPLE))

    return side(height), side(width)


class Native:
    """The network sees the photo as it is."""

    def __call__(self, model: GFM, image: Tensor) -> Prediction:
        """See :class:`Strategy`."""
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
    """

    def __init__(self, scale: float = 0.5, max_size: int = 1600) -> None:
        self.scale = scale
        self.max_size = max_size

    def __call__(self, model: GFM, image: Tensor) -> Prediction:
        """See :class:`Strategy`."""
        height, width = image.shape[-2:]
        small = resize(image, scaled_size(height, width, self.scale, self.max_size))
        prediction = Native()(model, small)
        alpha, glance, focus = (resize(p, (height, width)) for p in prediction[:3])
        alphas = {k: resize(p, (height, width)) for k, p in prediction.alphas.items()}
        return Prediction(alpha, glance, focus, alphas)


class Hybrid:
    """Glance at a small scale for semantics, focus at a larger one for detail (HYBRID).

    Each scale runs one decoder only; fusion happens at full size.

    Args:
        glance_scale: of both sides for the glance decoder.
        focus_scale: of both sides for the focus decoder.
        max_size: of either side, in pixels.
    """

    def __init__(
        self, glance_scale: float = 1 / 3, focus_scale: float = 1 / 2, max_size: int = 1600
    ) -> None:
        self.glance_scale = glance_scale
        self.focus_scale = focus_scale
        self.max_size = max_size

    def __call__(self, model: GFM, image: Tensor) -> Prediction:
        """See :class:`Strategy`; with RIM the enlarged alphas of its branches are integrated."""
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
