"""Makes the outputs for a photo: matte, cut-out, composite, glance and focus."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from PIL import Image, ImageColor, ImageOps
from torch import Tensor

from gfm.errors import GFMError
from gfm.inference.foreground import estimate_foreground
from gfm.inference.photos import read_photo
from gfm.inference.predictor import Predictor
from gfm.inference.video.smoothing import Smoother

Output = Literal["alpha", "cutout", "composite", "glance", "focus"]


class Background:
    """A background for composites: a colour, or a picture that is cropped to the photo's shape.

    Args:
        wanted: File, or colour such as ``white``, ``#0a7`` or ``rgb(0, 170, 119)``.

    Raises:
        GFMError: It is neither.
    """

    def __init__(self, wanted: str) -> None:
        self.picture: Image.Image | None = None
        self._fitted: Tensor | None = None
        if Path(wanted).is_file():
            self.picture = Image.fromarray(read_photo(Path(wanted)))
            return
        try:
            self.colour = ImageColor.getrgb(wanted)[:3]
        except ValueError as error:
            raise GFMError(
                f"background {wanted!r} is neither a file nor a colour: choose a picture, white "
                "or #00aa77"
            ) from error

    def of_size(self, height: int, width: int) -> Tensor:
        """Return the background as 1×3×H×W in [0, 1]; a colour is 1×3×1×1."""
        # The frames of a clip have one size, so the picture is resized only once for them.
        if self._fitted is not None and self._fitted.shape[-2:] in ((1, 1), (height, width)):
            return self._fitted
        if self.picture is None:
            array = np.array(self.colour, np.uint8)[None, None]
        else:
            fitted = ImageOps.fit(self.picture, (width, height), Image.Resampling.LANCZOS)
            array = np.array(fitted)
        self._fitted = torch.from_numpy(array).permute(2, 0, 1)[None] / 255
        return self._fitted

    def behind(self, colours: Tensor, alpha: Tensor) -> Tensor:
        """Return the composite of a foreground, 1×3×H×W, from its colours and its alpha."""
        height, width = alpha.shape[-2:]
        picture = self.of_size(height, width).to(alpha.device)
        return picture + alpha * (colours - picture)


class OutputMaker:
    """Makes the requested outputs for a photo.

    Args:
        predictor: Mattes the photo.
        outputs: Results to make.
        bits: Bits per pixel of mattes and focus maps, 8 or 16.
        background: Background of composites; needed if one is wanted.
    """

    def __init__(
        self,
        predictor: Predictor,
        outputs: Sequence[Output],
        bits: int = 8,
        background: Background | None = None,
    ) -> None:
        self.predictor = predictor
        self.outputs = tuple(outputs)
        self.maximum = 255 if bits == 8 else 65535
        self.background = background

    @torch.no_grad()
    def __call__(
        self, image: np.ndarray, smoother: Smoother | None = None
    ) -> dict[Output, np.ndarray]:
        """Make the results, ready to be written.

        Args:
            image: Photo, or frame of a clip, H×W×3 RGB, uint8.
            smoother: Smoother of the clip; it changes the matte and everything made with it.

        Returns:
            Arrays by name. ``alpha`` and ``focus``: H×W, uint8 or uint16. ``glance``: H×W, uint8,
            with 0 for background, 128 for transition and 255 for foreground, and values between if
            it was enlarged. ``cutout``: H×W×4, uint8. ``composite``: H×W×3, uint8.
        """
        batch = torch.from_numpy(image).permute(2, 0, 1)[None].to(self.predictor.device)
        found = self.predictor.predict(batch)
        if smoother is not None:
            found = found._replace(alpha=smoother(batch, found.alpha))
        made: dict[Output, np.ndarray] = {}
        colours = None
        if {"cutout", "composite"} & set(self.outputs):
            colours = estimate_foreground(batch, found.alpha, self.predictor.foreground)
        for output in self.outputs:
            if output == "cutout" and colours is not None:
                made[output] = _pixels(torch.cat([colours, found.alpha], dim=1))
            elif output == "composite" and colours is not None and self.background:
                made[output] = _pixels(self.background.behind(colours, found.alpha))
            elif output == "glance":
                made[output] = _pixels(found.glance)
            else:
                values = found.alpha if output == "alpha" else found.focus
                made[output] = _pixels(values, self.maximum)
        return made


def parse_outputs(text: str, bits: int, background: str | None) -> list[Output]:
    """Convert text such as ``alpha,cutout`` to a list, adding a composite if there is a background.

    Raises:
        GFMError: An output is unknown, a composite has no background, or bits are not 8 or 16.
    """
    known = get_args(Output)
    wanted = [part.strip() for part in text.split(",") if part.strip()]
    unknown = [part for part in wanted if part not in known]
    if unknown or not wanted:
        raise GFMError(f"--output {text}: choose from {', '.join(known)}")
    if bits not in (8, 16):
        raise GFMError(f"--bits {bits}: choose 8 or 16")
    if "composite" in wanted and background is None:
        raise GFMError("--output composite needs --background: a picture, or a colour")
    outputs = [output for output in known if output in wanted]
    return outputs if background is None else list(dict.fromkeys([*outputs, "composite"]))


def _pixels(values: Tensor, maximum: int = 255) -> np.ndarray:
    """Convert 1×C×H×W in [0, 1] to an H×W(×C) array of whole numbers."""
    whole = (values[0].float() * maximum).round_().clamp_(0, maximum)
    # Still on the device, because copying and transposing bytes is faster than floats.
    whole = whole.to(torch.uint8 if maximum == 255 else torch.int32)
    array = whole.permute(1, 2, 0).contiguous().cpu().numpy()
    array = array if maximum == 255 else array.astype(np.uint16)
    return array[..., 0] if array.shape[-1] == 1 else array
