"""Mattes pictures from Pillow, NumPy or torch with a network."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, Literal, overload

import torch
from torch import Tensor

from gfm.errors import GFMError
from gfm.inference.detail import enlarge, enlarge_linearly, shrink
from gfm.inference.foreground import (
    ForegroundMethod,
    check_foreground_method,
    estimate_foreground,
)
from gfm.inference.inferers import Inferer, Prediction
from gfm.inference.pictures import Picture, like, to_batch
from gfm.models.batchnorm import fold_batchnorm
from gfm.models.gfm import GFM

Precision = Literal["32", "bf16", "16"]
_TYPES = {"bf16": torch.bfloat16, "16": torch.float16}


class Predictor:
    """Mattes pictures: ``alpha = predictor(image)``.

    It takes one picture from Pillow, NumPy or torch, a batch of pictures of the same size, or a
    sequence of pictures of any size. The results are of the same kind as the pictures; see
    :mod:`gfm.inference.pictures`.

    Args:
        model: Network with its weights. It is taken over: batch normalisation is merged into its
            convolutions, so it cannot be trained afterwards.
        inferer: Applies the network to a whole picture.
        device: Device to which the network is moved.
        precision: ``32``, or ``bf16`` or ``16`` for convolutions in half precision.
        branch: Branch of a RIM network (``tt``, ``ft`` or ``bt``) whose matte is returned; by
            default that of all three together.
        max_size: Longest allowed shorter side in pixels. A larger picture is shrunk to it for the
            network, as in the official test, and its matte is enlarged along the edges of the
            picture; see :func:`gfm.inference.detail.enlarge`. ``None`` never shrinks.
        foreground: Estimate of the colours of cut-outs, ``blur`` or ``ml``; see
            :mod:`gfm.inference.foreground`.

    Raises:
        GFMError: There is no such precision, branch or estimate, or the size is not positive.
    """

    def __init__(
        self,
        model: GFM,
        inferer: Inferer,
        device: torch.device | str = "cpu",
        precision: Precision = "32",
        branch: str | None = None,
        max_size: int | None = 1080,
        foreground: ForegroundMethod = "blur",
    ) -> None:
        if precision not in ("32", *_TYPES):
            raise GFMError(f"unknown precision {precision!r}: choose 32, bf16 or 16")
        names = [rosta.name for rosta in model.branches]
        if branch is not None and branch not in names:
            raise GFMError(f"this network has no branch {branch!r}: it has {', '.join(names)}")
        if max_size is not None and max_size < 1:
            raise GFMError(f"max_size={max_size} pixels: give at least 1, or none")
        check_foreground_method(foreground)
        self.device = torch.device(device)
        fold_batchnorm(model.eval())
        # Channels innermost in memory are 1.3 times as fast on CPUs, and suit half precision.
        model.use_channels_last()
        self.model = model.to(self.device)
        self.inferer = inferer
        self.precision = precision
        self.branch = branch
        self.max_size = max_size
        self.foreground: ForegroundMethod = foreground

    @overload
    def __call__(self, image: Picture) -> Picture: ...
    @overload
    def __call__(self, image: Sequence[Picture]) -> list[Picture]: ...
    def __call__(self, image: Any) -> Any:
        """Return the matte of a picture in its size.

        For a Pillow image it has mode L; otherwise it is float32 in [0, 1].

        Raises:
            GFMError: A picture has an unknown shape, type or range.
        """
        if isinstance(image, Sequence):
            return [self(one) for one in image]
        return like(image, self.predict(to_batch(image)).alpha)

    @overload
    def cutout(self, image: Picture) -> Picture: ...
    @overload
    def cutout(self, image: Sequence[Picture]) -> list[Picture]: ...
    def cutout(self, image: Any) -> Any:
        """Return a cut-out, which is RGBA with the estimated colours of the foreground.

        At soft edges, these are not the colours of the picture, which include the background.

        Raises:
            GFMError: A picture has an unknown shape, type or range.
        """
        if isinstance(image, Sequence):
            return [self.cutout(one) for one in image]
        batch = to_batch(image).to(self.device)
        alpha = self.predict(batch).alpha
        colours = estimate_foreground(batch, alpha, self.foreground)
        return like(image, torch.cat([colours, alpha], dim=1))

    @torch.no_grad()
    def predict(self, image: Tensor) -> Prediction:
        """Return alpha, glance, focus and the alphas of all branches.

        Args:
            image: N×3×H×W RGB, uint8 or float in [0, 1], on any device.

        Returns:
            Prediction in float32 and in the size of the picture, on the device of the network.
        """
        image = image.to(self.device)
        small = shrink(image, self.max_size)
        with self._autocast():
            found = self.inferer(self.model, small)
        if self.branch is not None:
            found = found._replace(alpha=found.alphas[self.branch])
        size = (image.shape[-2], image.shape[-1])
        if small.shape[-2:] == size:
            return found._replace(alpha=found.alpha.float().clamp(0, 1))
        glance, focus = (enlarge_linearly(x, size) for x in (found.glance, found.focus))
        alpha = enlarge(found.alpha.float().clamp(0, 1), small, image)
        alphas = {name: enlarge_linearly(x, size) for name, x in found.alphas.items()}
        return Prediction(alpha, glance, focus, alphas)

    def _autocast(self) -> Any:
        kind = _TYPES.get(self.precision)
        return torch.autocast(self.device.type, kind) if kind else nullcontext()
