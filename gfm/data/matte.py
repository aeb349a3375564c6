"""Reads the matte of a training photo, and its labels only where they are needed."""

import numpy as np

from gfm.data.images import read_alpha
from gfm.data.layout import Photo
from gfm.data.transforms import Window
from gfm.data.trimap import trimap_from_alpha
from gfm.errors import GFMError
from gfm.rosta import FOREGROUND, TRANSITION, TT

_TRIALS = 256


class Matte:
    """The matte of a photo, read only as far as necessary.

    The labels of a packed photo are read from its files. Other labels are derived from the part of
    the matte that they depend on. Both give the same labels.

    Attributes:
        alpha: H×W, uint8; memory-mapped if the photo is packed.

    Raises:
        GFMError: The file is unreadable.
    """

    def __init__(self, photo: Photo) -> None:
        self.alpha = read_alpha(photo.alpha, photo.is_cutout)
        self.labels = photo.labels

    def trimap(self, kernel_size: int, window: Window | None = None) -> np.ndarray:
        """Return the trimap of the whole matte, or a window of it.

        Args:
            kernel_size: Side of the kernel; see :func:`gfm.data.trimap.trimap_from_alpha`.
            window: Part of the matte; by default all of it.

        Raises:
            GFMError: The file of the labels is unreadable, or does not fit the matte.
        """
        height, width = self.alpha.shape
        window = window or Window(0, 0, height, width)
        path = self.labels.get(f"trimap_{kernel_size}")
        if path:
            labels = read_alpha(path)
            if labels.shape != self.alpha.shape:
                raise GFMError(f"{path} and its matte differ in size: pack the dataset again")
            return window.of(labels)
        outer = window.expand(kernel_size // 2 + 1, (height, width))
        trimap = trimap_from_alpha(outer.of(self.alpha), kernel_size)
        return window.relative_to(outer).of(trimap)

    def draw_transition(self, rng: np.random.Generator) -> tuple[int, int] | None:
        """Draw a pixel uniformly from TT's transition region.

        Pixels are drawn from the whole photo until one lies in the region, which costs far less
        than finding the region. The whole trimap is made only if the region is tiny. (The official
        code draws from the pixels whose alpha is 128, a small part of the region.)

        Returns:
            (y, x), or ``None`` if the region is empty.
        """
        height, width = self.alpha.shape
        ys, xs = rng.integers(height, size=_TRIALS), rng.integers(width, size=_TRIALS)
        for y, x in zip(ys.tolist(), xs.tolist(), strict=True):
            if self._is_transition(y, x):
                return y, x
        candidates = np.flatnonzero(self.trimap(TT.kernel_size) == TRANSITION)
        if not len(candidates):
            return None
        y, x = divmod(int(candidates[rng.integers(len(candidates))]), width)
        return y, x

    def _is_transition(self, y: int, x: int) -> bool:
        if 0 < self.alpha[y, x] < FOREGROUND:
            return True
        # The part that the kernel covers: if all its pixels are equal, there is no edge.
        patch = Window(y, x, 1, 1).expand(TT.kernel_size // 2, self.alpha.shape)
        values = patch.of(self.alpha)
        if values.min() == values.max():
            return False
        trimap = trimap_from_alpha(np.ascontiguousarray(values), TT.kernel_size)
        return bool(trimap[y - patch.top, x - patch.left] == TRANSITION)
