"""Cuts a window out of a photo, flips it, and resizes it to the input size of the network."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

import albumentations as A
import cv2
import numpy as np

from gfm.errors import GFMError

Interpolation = Literal["linear", "area"]


def cv2_interpolation(interpolation: Interpolation, length: int, target: int) -> int:
    """Return OpenCV's flag for resizing a side of ``length`` pixels to ``target`` pixels.

    Sides are enlarged linearly in any case, because OpenCV's ``INTER_AREA`` would repeat pixels.
    """
    shrinks = target < length
    return cv2.INTER_AREA if interpolation == "area" and shrinks else cv2.INTER_LINEAR


class Window(NamedTuple):
    """A rectangle of a picture, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def of(self, array: np.ndarray) -> np.ndarray:
        """Return a view of the window in an H×W or H×W×C array."""
        bottom, right = self.top + self.height, self.left + self.width
        return array[self.top : bottom, self.left : right]

    def expand(self, margin: int, size: tuple[int, ...]) -> "Window":
        """Return the window with a margin on each side, clipped to the picture.

        Args:
            margin: Width of the margin in pixels.
            size: (height, width) of the picture.
        """
        top, left, height, width = self
        return Window(top - margin, left - margin, height + 2 * margin, width + 2 * margin).clip(
            size
        )

    def clip(self, size: tuple[int, ...]) -> "Window":
        """Return the part that lies in a picture of (height, width)."""
        top, left = max(self.top, 0), max(self.left, 0)
        bottom, right = min(self.top + self.height, size[0]), min(self.left + self.width, size[1])
        return Window(top, left, bottom - top, right - left)

    def relative_to(self, outer: "Window") -> "Window":
        """Return the same rectangle, relative to the top left corner of ``outer``."""
        return self._replace(top=self.top - outer.top, left=self.left - outer.left)


class Crop:
    """The pixels of a window that the network's input depends on.

    Where linear interpolation shrinks n pixels to one, it reads at most the middle two of them in
    each direction, so the others need not be computed. The pixels that are kept resize to exactly
    the same values.

    Args:
        window: Square window.
        input_size: Side of the network's input in pixels.
        interpolation: ``linear``, or ``area``, which reads all pixels.
    """

    def __init__(self, window: Window, input_size: int, interpolation: Interpolation) -> None:
        self.window = window
        is_whole = interpolation == "linear" and window.height % input_size == 0
        self.step = window.height // input_size if is_whole else 1

    def of(self, array: np.ndarray) -> np.ndarray:
        """Return the crop of an H×W or H×W×C picture."""
        return self.subsample(self.window.of(array))

    def subsample(self, array: np.ndarray) -> np.ndarray:
        """Return the crop of an array that shows the window."""
        step, first = self.step, (self.step - 1) // 2
        if step <= 2:
            return array
        if step % 2:
            side = len(array) // step
            return cv2.resize(array, (side, side), interpolation=cv2.INTER_NEAREST_EXACT)
        height, width = (2 * (length // step) for length in array.shape[:2])
        picked = np.empty((height, width, *array.shape[2:]), array.dtype)
        for y in (0, 1):
            for x in (0, 1):
                picked[y::2, x::2] = array[first + y :: step, first + x :: step]
        return picked

    def subsample_labels(self, array: np.ndarray) -> np.ndarray:
        """Return the crop of a label map of the window: the pixels nearest to the input's."""
        side = len(array) // self.step
        return cv2.resize(array, (side, side), interpolation=cv2.INTER_NEAREST_EXACT)


class HasTransition(Protocol):
    """Interface of a matte for :func:`choose_window`; see :mod:`gfm.data.matte`."""

    alpha: np.ndarray

    def draw_transition(self, rng: np.random.Generator) -> tuple[int, int] | None: ...  # noqa: D102


def choose_window(
    matte: HasTransition,
    crop_sizes: Sequence[int],
    transition_probability: float,
    rng: np.random.Generator,
    fallback_size: int | None = None,
) -> Window:
    """Draw a square window, either centred on the transition region or anywhere in the picture.

    A window on the transition that would leave the picture is moved inside. For any other window,
    the corner is drawn from all places where the window fits: if its centre were drawn from all
    pixels, up to half of the windows would end up in the corners. (The official code places the
    corner of the window, not its centre, on a pixel where the *matte*, not the trimap, is 128.)

    Args:
        matte: Matte of the photo.
        crop_sizes: Sides to draw from.
        transition_probability: Probability of centring the window on the transition region.
        rng: Random numbers of the sample.
        fallback_size: Side of the window if the drawn side does not fit, as in the official code;
            ``None`` draws only sides that fit. If nothing fits, the side is the shorter side of the
            picture.
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
    """Draw the side of a window for a picture whose shorter side is ``room``."""
    if fallback_size is not None:
        size = int(rng.choice(sizes))
        # As in the official code, a window as large as the picture does not fit.
        return size if size < room else min(fallback_size, room)
    fitting = [size for size in sizes if size <= room]
    return int(rng.choice(fitting)) if fitting else room


class JointTransform:
    """One flip and one resize for all arrays of a sample (albumentations).

    Label maps (``trimap_*``) are resized by nearest neighbour. (The official code interpolates them
    linearly, which invents values between the classes.)

    Args:
        input_size: Side of the square result in pixels.
        flip_probability: Probability of a horizontal flip.
        interpolation: ``linear`` as in the official code, or ``area``, which averages and so avoids
            aliasing if a window is much larger than the result. A smaller window is enlarged
            linearly.

    Raises:
        GFMError: ``input_size`` is below 1.
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
        self.flip = A.HorizontalFlip(p=flip_probability)
        self.pipelines: dict[tuple[int, tuple[str, ...]], A.Compose] = {}

    def __call__(self, arrays: dict[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
        """Transform all arrays in the same way.

        Args:
            arrays: Arrays of one window by name, H×W×3 or H×W, uint8; ``image`` is one of them.
            seed: Seed of the random flip.

        Returns:
            The transformed arrays by name.
        """
        side = len(arrays["image"])
        method = cv2_interpolation(self.interpolation, side, self.input_size)
        key = method, tuple(arrays)
        if key not in self.pipelines:
            self.pipelines[key] = self._pipeline(*key)
        pipeline = self.pipelines[key]
        pipeline.set_random_seed(seed)
        return dict(pipeline(**arrays))

    def _pipeline(self, method: int, names: Sequence[str]) -> A.Compose:
        targets = {n: "mask" if n.startswith("trimap") else "image" for n in names}
        del targets["image"]
        resize = A.Resize(
            self.input_size,
            self.input_size,
            interpolation=method,
            # Nearest to the centre of each pixel; plain INTER_NEAREST uses its corner.
            mask_interpolation=cv2.INTER_NEAREST_EXACT,
        )
        return A.Compose([self.flip, resize], additional_targets=targets, is_check_shapes=False)

    def is_flipped(self, seed: int) -> bool:
        """Return whether a sample with this seed is flipped."""
        self.flip.set_random_seed(seed)
        return bool(self.flip.should_apply())
