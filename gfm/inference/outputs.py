"""Makes the outputs for a photo: matte, cut-out, composite, glance and focus."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from PIL import Image, ImageColor, ImageOps
from torch import Tensor

from gfm.data.images import read_image
from gfm.errors import GFMError
from gfm.inference.foreground import estimate_foreground
from gfm.inference.pictures import channels_last
from gfm.inference.predictor import Predictor
from gfm.inference.video.smoothing import Smoother

Output = Literal["alpha", "cutout", "composite", "glance", "focus"]


class Background:
    """A background for composites: a colour, or a picture that is cropped to the photo's shape.

    Args:
        source: File, or colour such as ``white``, ``#0a7`` or ``rgb(0, 170, 119)``.

    Raises:
        GFMError: ``source`` is neither.
    """

    def __init__(self, source: str) -> None:
        self._picture: Image.Image | None = None
        self._fitted = torch.empty(1, 3, 0, 0)
        if os.path.isfile(source):
            self._picture = Image.fromarray(read_image(Path(source)))
            return
        try:
            self._fitted = torch.tensor(ImageColor.getrgb(source)[:3]).view(1, 3, 1, 1) / 255
        except ValueError as error:
            raise GFMError(
                f"background {source!r} is neither a file nor a colour: choose a picture, white "
                "or #00aa77"
            ) from error

    def compose(self, foreground: Tensor, alpha: Tensor) -> Tensor:
        """Return the composite, 1×3×H×W, of the foreground's colours on this background."""
        # Kept on the device, because all frames of a clip have the same size.
        self._fitted = self._fit(alpha.shape[-2], alpha.shape[-1]).to(alpha.device)
        return self._fitted + alpha * (foreground - self._fitted)

    def _fit(self, height: int, width: int) -> Tensor:
        """Return the background as 1×3×H×W in [0, 1]; a colour is 1×3×1×1."""
        if self._picture is None or self._fitted.shape[-2:] == (height, width):
            return self._fitted
        fitted = ImageOps.fit(self._picture, (width, height), Image.Resampling.LANCZOS)
        return torch.from_numpy(np.array(fitted)).permute(2, 0, 1)[None] / 255


class OutputMaker:
    """Makes the requested outputs for a photo or a frame.

    Mattes and focus maps have 8 or 16 bits per pixel.

    Raises:
        ValueError: A composite is requested without a background.
    """

    def __init__(
        self,
        predictor: Predictor,
        outputs: Sequence[Output],
        bits: int = 8,
        background: Background | None = None,
    ) -> None:
        if "composite" in outputs and background is None:
            raise ValueError("outputs include a composite: pass a background")
        self.predictor = predictor
        self.outputs = tuple(outputs)
        self.maximum = 255 if bits == 8 else 65535
        self.background = background

    @torch.no_grad()
    def __call__(
        self, image: np.ndarray, smoother: Smoother | None = None
    ) -> dict[Output, np.ndarray]:
        """Make the outputs as arrays that can be written.

        Args:
            image: H×W×3 RGB, uint8.
            smoother: Smoother of the clip; it changes the matte and everything made from it.

        Returns:
            Arrays by output. ``alpha`` and ``focus``: H×W, uint8 or uint16. ``glance``: H×W, uint8,
            with 0 for background, 128 for transition and 255 for foreground, and values between
            where it was enlarged. ``cutout``: H×W×4, uint8. ``composite``: H×W×3, uint8.
        """
        batch = torch.from_numpy(image).permute(2, 0, 1)[None].to(self.predictor.device)
        prediction = self.predictor.predict(batch)
        alpha = prediction.alpha if smoother is None else smoother(batch, prediction.alpha)
        arrays: dict[Output, np.ndarray] = {}
        if "alpha" in self.outputs:
            arrays["alpha"] = _to_array(alpha, self.maximum)
        if {"cutout", "composite"} & set(self.outputs):
            foreground = estimate_foreground(batch, alpha, self.predictor.foreground)
            if "cutout" in self.outputs:
                arrays["cutout"] = _to_array(torch.cat([foreground, alpha], dim=1))
            if "composite" in self.outputs and self.background is not None:
                arrays["composite"] = _to_array(self.background.compose(foreground, alpha))
        if "glance" in self.outputs:
            arrays["glance"] = _to_array(prediction.glance)
        if "focus" in self.outputs:
            arrays["focus"] = _to_array(prediction.focus, self.maximum)
        return arrays


def parse_outputs(text: str, bits: int, background: str | None) -> list[Output]:
    """Parse text such as ``alpha,cutout``; with a background, add a composite.

    Raises:
        GFMError: An output is unknown, a composite lacks a background, or bits are not 8 or 16.
    """
    known = get_args(Output)
    names = [part.strip() for part in text.split(",") if part.strip()]
    if not names or not set(names) <= set(known):
        raise GFMError(f"--output {text}: choose from {', '.join(known)}")
    if bits not in (8, 16):
        raise GFMError(f"--bits {bits}: choose 8 or 16")
    if "composite" in names and background is None:
        raise GFMError("--output composite needs --background: choose a picture or a colour")
    if background is not None:
        names.append("composite")
    return [output for output in known if output in names]


def _to_array(values: Tensor, maximum: int = 255) -> np.ndarray:
    """Convert 1×C×H×W in [0, 1] to an H×W(×C) array of uint8 or uint16."""
    integers = (values[0].float() * maximum).round_().clamp_(0, maximum)
    # Convert on the device, because bytes are faster to copy and transpose than floats.
    if maximum == 255:
        return channels_last(integers.to(torch.uint8))
    return channels_last(integers.to(torch.int32)).astype(np.uint16)
