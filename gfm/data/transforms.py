"""From a photo to the network's input size: a window on the transition region, flip, resize."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

import albumentations as A
import cv2
import numpy as np

from gfm.errors import GFMError

Interpolation = Literal["linear", "area"]

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

    def grown(self, margin: int, size: tuple[int, ...]) -> "Window":
        """With a margin on each side, within a picture of ``size`` (height, width)."""
        top, left = max(self.top - margin, 0), max(self.left - margin, 0)
        bottom = min(self.top + self.height + margin, size[0])
        right = min(self.left + self.width + margin, size[1])
        return Window(top, left, bottom - top, right - left)

    def within(self, outer: "Window") -> "Window":
        """The same rectangle as seen from the corner of another."""
        return self._replace(top=self.top - outer.top, left=self.left - outer.left)


class Crop:
    """What of a picture reaches the network: a window, and of it the pixels that count.

    Where linear interpolation makes one pixel of n, it looks at the middle two at most, in each
    direction; so the others need not be composed. What is left resizes to the very same values.

    Args:
        window: a square.
        input_size: of the network, in pixels.
        interpolation: ``linear`` or ``area``, which looks at all.
    """

    def __init__(self, window: Window, input_size: int, interpolation: Interpolation) -> None:
        self.window = window
        is_whole = interpolation == "linear" and window.height % input_size == 0
        self.step = window.height // input_size if is_whole else 1

    def of(self, array: np.ndarray) -> np.ndarray:
        """The crop of an H×W or H×W×C picture."""
        return self.pick(self.window.of(array))

    def pick(self, array: np.ndarray) -> np.ndarray:
        """The crop of what the window shows."""
        step, first = self.step, (self.step - 1) // 2
        if step <= 2:
            return array
        if step % 2:
            return np.ascontiguousarray(array[first::step, first::step])
        height, width = (2 * (length // step) for length in array.shape[:2])
        picked = np.empty((height, width, *array.shape[2:]), array.dtype)
        for y in (0, 1):
            for x in (0, 1):
                picked[y::2, x::2] = array[first + y :: step, first + x :: step]
        return picked

    def pick_labels(self, array: np.ndarray) -> np.ndarray:
        """The crop of a label map in the window: the pixels nearest to the input's."""
        middle = self.step // 2
        return np.ascontiguousarray(array[middle :: self.step, middle :: self.step])


class HasTransition(Protocol):
    """What :func:`choose_window` asks of a matte; see :mod:`gfm.data.matte`."""

    alpha: np.ndarray

    def draw_transition(self, rng: np.random.Generator) -> tuple[int, int] | None: ...  # noqa: D102


def choose_window(
    matte: HasTransition,
    crop_sizes: Sequence[int],
    transition_probability: float,
    rng: np.random.Generator,
    fallback_size: int | None = None,
) -> Window:
    """A square window centred on a pixel of the transition region, or anywhere in the picture.

    A window on the transition that would leave the picture is moved inside. Any other has its
    corner drawn from all places where the window fits: a centre drawn from all pixels and then
    moved inside would leave up to half of the windows in the corners. (In the official code, which
    draws the corner too, the window's corner lands on the pixel of the transition, and that is one
    where the *matte* is 128, not the trimap.)

    Args:
        matte: of the photo.
        crop_sizes: sides to draw from.
        transition_probability: of centring on the transition region rather than anywhere.
        rng: of the sample.
        fallback_size: side of the window where the side drawn does not fit, as in the official
            code; ``None`` draws from those that fit. Where nothing fits, the picture's shorter
            side counts.
    """
    height, width = matte.alpha.shape
    size = _choose_size(min(height, width), crop_sizes, fallback_size, rng)
    is_on_transition = rng.random() < transition_probability
    centre = matte.draw_transition(rng) if is_on_transition else None
    if centre is None:
        top, left = int(rng.integers(height - size + 1)), int(rng.integers(width - size + 1))
    else:
        top = min(max(centre[0] - size // 2, 0), height - size)
        left = min(max(centre[1] - size // 2, 0), width - size)
    return Window(top, left, size, size)


def _choose_size(
    room: int, sizes: Sequence[int], fallback_size: int | None, rng: np.random.Generator
) -> int:
    """The side of a window in a picture whose shorter side is ``room``."""
    if fallback_size is not None:
        size = int(rng.choice(sizes))
        # The official code takes no window as large as the picture either.
        return size if size < room else min(fallback_size, room)
    fitting = [size for size in sizes if size <= room]
    return int(rng.choice(fitting)) if fitting else room


class JointTransform:
    """One flip and one resize for all arrays of a sample (albumentations).

    Label maps (``trimap_*``) take the nearest pixel; in the official code linear interpolation
    invents values between their classes.

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
        interpolation: Interpolation = "linear",
    ) -> None:
        if input_size < 1:
            raise GFMError(f"the input size must be at least 1 pixel, not {input_size}")
        self.input_size = input_size
        self.interpolation = interpolation
        self.steps = [
            A.HorizontalFlip(p=flip_probability),
            A.Resize(
                input_size,
                input_size,
                interpolation=_INTERPOLATION[interpolation],
                # Of the middle of each pixel; plain INTER_NEAREST takes the corner.
                mask_interpolation=cv2.INTER_NEAREST_EXACT,
            ),
        ]
        self.pipelines: dict[tuple[str, ...], A.Compose] = {}

    def __call__(self, arrays: dict[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
        """Transforms arrays of one size with one draw.

        Args:
            arrays: H×W×3 or H×W, uint8, of one window; ``image`` is one of them.
            seed: of the draw.
        """
        names = tuple(arrays)
        if names not in self.pipelines:
            targets = {n: "mask" if n.startswith("trimap") else "image" for n in names}
            del targets["image"]
            self.pipelines[names] = A.Compose(
                self.steps, additional_targets=targets, is_check_shapes=False
            )
        pipeline = self.pipelines[names]
        pipeline.set_random_seed(seed)
        return dict(pipeline(**arrays))
