"""Makes the outputs for a photo: matte, cut-out, composite, glance and focus."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from PIL import Image, ImageColor, ImageOps
from torch import Tensor

from gfm.compat.torch import as_tensor
from gfm.data.images import read_image
from gfm.errors import GFMError
from gfm.inference.foreground import estimate_foreground
from gfm.inference.pictures import channels_last
from gfm.inference.predictor import Predictor, explain_lack_of_memory
from gfm.inference.strips import cut_strips
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
        self._fitted = torch.empty(1, 3, 0, 0, dtype=torch.uint8)
        if os.path.isfile(source):
            self._picture = Image.fromarray(read_image(Path(source)))
            return
        try:
            colour = ImageColor.getrgb(source)[:3]
        except ValueError as error:
            raise GFMError(
                f"background {source!r} is neither a file nor a colour: choose a picture, white "
                "or #00aa77"
            ) from error
        self._fitted = torch.tensor(colour, dtype=torch.uint8).view(1, 3, 1, 1)

    def fit(self, height: int, width: int, device: torch.device) -> Tensor:
        """Return the background at the size of a photo, 1×3×H×W, uint8, on a device."""
        if self._picture is not None and self._fitted.shape[-2:] != (height, width):
            fitted = ImageOps.fit(self._picture, (width, height), Image.Resampling.LANCZOS)
            self._fitted = torch.from_numpy(np.array(fitted)).permute(2, 0, 1)[None]
        # Kept on the device, because all frames of a clip have the same size.
        self._fitted = self._fitted.to(device)
        return self._fitted.expand(1, 3, height, width)


class OutputMaker:
    """Makes the requested outputs for a photo or a frame.

    Mattes and focus maps have 8 or 16 bits per pixel. A composite needs a background.
    """

    def __init__(
        self,
        predictor: Predictor,
        outputs: Sequence[Output],
        bits: int = 8,
        background: Background | None = None,
    ) -> None:
        self.predictor = predictor
        self.outputs = outputs
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
            with 0 for background, 128 for transition, 255 for foreground, and intermediate values
            where it was enlarged. ``cutout``: H×W×4, uint8. ``composite``: H×W×3, uint8.

        Raises:
            GFMError: The device has too little memory.
        """
        with explain_lack_of_memory(self.predictor.device, image.shape[0], image.shape[1]):
            return self._make(image, smoother)

    def _make(self, image: np.ndarray, smoother: Smoother | None) -> dict[Output, np.ndarray]:
        batch = as_tensor(image).permute(2, 0, 1)[None].to(self.predictor.device)
        prediction = self.predictor.predict(batch)
        arrays: dict[Output, np.ndarray] = {}
        if "glance" in self.outputs:
            arrays["glance"] = _to_array(prediction.glance)
        if "focus" in self.outputs:
            arrays["focus"] = _to_array(prediction.focus, maximum=self.maximum)
        alpha = prediction.alpha if smoother is None else smoother(batch, prediction.alpha)
        del prediction  # to free memory for large photos
        if "alpha" in self.outputs:
            arrays["alpha"] = _to_array(alpha, maximum=self.maximum)
        if not {"cutout", "composite"} & set(self.outputs):
            return arrays
        foreground = estimate_foreground(batch, alpha, self.predictor.foreground)
        if "cutout" in self.outputs:
            arrays["cutout"] = _to_array(foreground, alpha)
        if self.background is not None:
            height, width = image.shape[:2]
            background = self.background.fit(height, width, alpha.device)
            arrays["composite"] = _to_array(foreground, alpha, background, function=_compose)
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


def _join(*layers: Tensor) -> Tensor:
    return torch.cat(layers, dim=1)


def _compose(foreground: Tensor, alpha: Tensor, background: Tensor) -> Tensor:
    background = background / 255
    return background + alpha * (foreground - background)


def _to_array(
    *layers: Tensor, maximum: int = 255, function: Callable[..., Tensor] = _join
) -> np.ndarray:
    """Convert layers of a picture to one array H×W(×C) of uint8 or uint16.

    Args:
        layers: Tensors 1×C×H×W.
        maximum: Value of the array that stands for 1.
        function: Computes values in [0, 1] from strips of the layers, so that a large photo needs
            little memory; by default it concatenates their channels.
    """
    height, width = layers[0].shape[-2:]
    strips = [
        _to_integers(function(*(layer[..., rows, :] for layer in layers)), maximum)
        for rows in cut_strips(0, height, width)
    ]
    return np.concatenate(strips) if len(strips) > 1 else strips[0]


def _to_integers(values: Tensor, maximum: int) -> np.ndarray:
    """Convert 1×C×H×W in [0, 1] to an H×W(×C) array of uint8 or uint16."""
    integers = (values[0].float() * maximum).round_().clamp_(0, maximum)
    # Converted on the device, because bytes are faster to copy and transpose than floats.
    if maximum == 255:
        return channels_last(integers.to(torch.uint8))
    return channels_last(integers.to(torch.int32)).astype(np.uint16)
