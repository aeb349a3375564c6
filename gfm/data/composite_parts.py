"""Loads the parts of composites for ``data.compose_on=device``.

:mod:`gfm.data.device_compositing` composes them.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import default_collate

from gfm.compat.torch import empty_for_collate
from gfm.data.batch import Batch
from gfm.data.compositing import Parts, blur
from gfm.data.dataset import Track, TrainingSet, to_tensor
from gfm.data.tracks import CompositeTrack
from gfm.errors import GFMError


class Recipe(NamedTuple):
    """How to compose a sample: numbers kept on the host, so that reading them needs no sync.

    Attributes:
        side: Side of the crop in pixels.
        blur_size, noise_sigma, noise_seed: See :class:`gfm.data.compositing.Parts`.
    """

    side: int
    blur_size: int
    noise_sigma: float
    noise_seed: int

    @classmethod
    def of(cls, parts: Parts) -> "Recipe":
        """Return the recipe that composes ``parts``."""
        return cls(len(parts.foreground), parts.blur_size, parts.noise_sigma, parts.noise_seed)

    def shapes(self) -> tuple[tuple[int, int, int], ...]:
        """Return the shapes of foreground, background and alpha, H×W×C."""
        side, outer = self.side, self.side + max(self.blur_size - 1, 0)
        return (side, side, 3), (outer, outer, 3), (side, side, 1)


class WindowSet(TrainingSet):
    """The samples of a :class:`TrainingSet` before they are composed.

    A sample has ``name``, ``alpha`` and ``trimap_K`` as there. Instead of the picture and its
    layers it has ``windows`` (foreground, background and alpha of the crop, uint8 arrays), their
    ``recipe`` and ``is_flipped``. Batch samples with :func:`collate`.
    """

    @classmethod
    def like(cls, training: TrainingSet) -> "WindowSet":
        """Return the windows of the samples of a training set."""
        return cls(training.track, training.photos, training.scenes, training.options)

    def _sample(self, epoch: int, index: int) -> Any:
        photo, scene, matte, crop, rng = self._draw(epoch, index)
        assert scene is not None
        assert isinstance(self.track, CompositeTrack)
        parts = self.track.parts(photo, scene, matte.alpha.shape, crop, rng)
        if crop.step > 2:
            # Blurring here costs less than transferring the pixels that the crop drops.
            parts = blur(parts, crop)
        alpha = crop.of(matte.alpha)
        seed = int(rng.integers(2**31))
        labels = self.transform({"image": alpha, **self._trimaps(matte, crop)}, seed)
        labels["alpha"] = labels.pop("image")
        return {
            "name": photo.name,
            "windows": (parts.foreground, parts.background, alpha),
            "recipe": Recipe.of(parts),
            "is_flipped": self.transform.is_flipped(seed),
            **{k: to_tensor(array) for k, array in labels.items()},
        }


def check_track(track: Track) -> None:
    """Raise GFMError unless a track uses :meth:`gfm.data.tracks.CompositeTrack.compose`."""
    if getattr(type(track), "compose", None) is not CompositeTrack.compose:
        name = getattr(track, "name", type(track).__name__)
        raise GFMError(
            f"data.compose_on=device cannot compose track={name}: set data.compose_on=workers"
        )


def collate(samples: Sequence[dict[str, Any]]) -> Batch:
    """Batch samples of a :class:`WindowSet`.

    The windows of all samples become one tensor ``pixels``, which is shared, pinned and moved to a
    device in one piece. ``recipes`` give their shapes.
    """
    windows = [array for sample in samples for array in sample.pop("windows")]
    recipes = [sample.pop("recipe") for sample in samples]
    pixels = empty_for_collate(sum(array.size for array in windows))
    start, target = 0, pixels.numpy()
    for array in windows:
        target[start : start + array.size].reshape(array.shape)[:] = array
        start += array.size
    return {**default_collate(list(samples)), "pixels": pixels, "recipes": recipes}


def split_windows(pixels: Tensor, recipes: Sequence[Recipe]) -> list[list[Tensor]]:
    """Return foreground, background and alpha of each sample, C×H×W, uint8: views of ``pixels``."""
    shapes = [shape for recipe in recipes for shape in recipe.shapes()]
    flat = torch.split(pixels, [int(np.prod(shape)) for shape in shapes])
    windows = [w.view(shape).permute(2, 0, 1) for w, shape in zip(flat, shapes, strict=True)]
    return [windows[i : i + 3] for i in range(0, len(windows), 3)]
