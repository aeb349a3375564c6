"""From a photo to the network's input size: a window on the transition region, flip, resize."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import albumentations as A
import cv2
import numpy as np

from gfm.data.labels import TRANSITION
from gfm.errors import GFMError

_INTERPOLATION = {"linear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA}


class Window(NamedTuple):
    """A rectangle of a picture, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def of(self, array: np.ndarray) -> np.ndarray:
        """The window's view of an H×W or H×W×C array."""
        bottom, right = self.top + self.height, self.left + self.width
        return array[self.top : bottom, self.left : right]


def choose_window(
    trimap: np.ndarray,
    crop_sizes: Sequence[int],
    transition_probability: float,
    rng: np.random.Generator,
) -> Window:
    """A square window centred on a pixel of the transition region, or on any pixel.

    The centre is a pixel; where the window would leave the picture it is moved inside. (In the
    official code the window's corner lands on the pixel, and small pictures slice wrongly.)

    Args:
        trimap: H×W with 128 in the transition region.
        crop_sizes: sides to draw from; those larger than the picture do not count, and where none
            fits, the picture's shorter side does.
        transition_probability: of centring on the transition region rather than on any pixel.
        rng: of the sample.
    """
    height, width = trimap.shape
    fitting = [size for size in crop_sizes if size <= min(height, width)]
    size = int(rng.choice(fitting)) if fitting else min(height, width)
    is_on_transition = rng.random() < transition_probability
    candidates = np.flatnonzero(trimap == TRANSITION) if is_on_transition else np.empty(0)
    if len(candidates):
        y, x = divmod(int(candidates[rng.integers(len(candidates))]), width)
    else:
        y, x = int(rng.integers(height)), int(rng.integers(width))
    top = min(max(y - size // 2, 0), height - size)
    left = min(max(x - size // 2, 0), width - size)
    return Window(top, left, size, size)


class JointTransform:
    """One flip and one resize for all arrays of a sample (albumentations).

    Label maps (``trimap_*``) are resized by nearest neighbour; in the official code linear
    interpolation invents values between their classes.

    Args:
        input_size: side in pixels of the square result.
        flip_probability: of mirroring left and right.
        interpolation: ``linear`` as in the official code, ``area`` averages and so avoids
            aliasing where a window is much larger than the result.
    """

    def __init__(
        self,
        input_size: int,
        flip_probability: float = 0.5,
        interpolation: Literal["linear", "area"] = "linear",
    ) -> None:
        if input_size < 1:
            raise GFMError(f"the input size must be at least 1 pixel, not {input_size}")
        self.steps = [
            A.HorizontalFlip(p=flip_probability),
            A.Resize(
                input_size,
                input_size,
                interpolation=_INTERPOLATION[interpolation],
                mask_interpolation=cv2.INTER_NEAREST,
            ),
        ]
        self.pipelines: dict[tuple[str, ...], A.Compose] = {}

    def __call__(self, arrays: dict[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
        """Transforms arrays of one size with one draw.

        Args:
            arrays: H×W×3 or H×W, uint8; ``image`` is one of them.
            seed: of the draw.
        """
        names = tuple(arrays)
        if names not in self.pipelines:
            targets = {n: "mask" if n.startswith("trimap") else "image" for n in names}
            del targets["image"]
            self.pipelines[names] = A.Compose(self.steps, additional_targets=targets)
        pipeline = self.pipelines[names]
        pipeline.set_random_seed(seed)
        return dict(pipeline(**arrays))
