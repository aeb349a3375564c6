"""Datasets of training samples and of validation photos."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from gfm.data.compositing import read_photo
from gfm.data.images import check_size, read_alpha
from gfm.data.layout import Datasets, Photo, Scene
from gfm.data.matte import Matte
from gfm.data.photo_order import PhotoOrder
from gfm.data.tracks import Layers
from gfm.data.transforms import Crop, Interpolation, JointTransform, choose_window
from gfm.data.trimap import trimap_from_alpha
from gfm.errors import GFMError
from gfm.rosta import ROSTAS, TT

Sample = dict[str, Tensor | str]
OnError = Literal["stop", "skip"]
ComposeOn = Literal["workers", "device"]

_MOST_SKIPPED = 10


class Track(Protocol):
    """Interface of a track; see :mod:`gfm.data.tracks`."""

    backgrounds_per_foreground: int

    def photos(self, datasets: Datasets) -> list[Photo]: ...  # noqa: D102
    def scenes(self, datasets: Datasets) -> list[Scene]: ...  # noqa: D102
    def compose(  # noqa: D102
        self,
        photo: Photo,
        scene: Scene | None,
        alpha: np.ndarray,
        crop: Crop,
        rng: np.random.Generator,
    ) -> Layers: ...


def to_tensor(array: np.ndarray) -> Tensor:
    """Convert an array H×W or H×W×C to a tensor C×H×W of the same type."""
    return torch.from_numpy(np.stack(cv2.split(array)))


@dataclass(frozen=True)
class SampleOptions:
    """How a training sample is cut from a photo; the defaults are those of the paper.

    Attributes:
        rosta: RoSTA, which decides the labels of the samples.
        crop_sizes: Sides of the window to draw from, in pixels of the photo; a single number for a
            fixed side.
        fallback_size: See :func:`gfm.data.transforms.choose_window`.
        transition_probability: Probability of centring the window on the transition region.
        input_size: Side of the sample in pixels.
        interpolation: See :class:`gfm.data.transforms.JointTransform`.
        flip_probability: Probability of a horizontal flip.
        seed: Seed of all random numbers.
        also_share: Fraction of the samples that come from added datasets; see
            :class:`gfm.data.photo_order.PhotoOrder`.
        on_error: ``stop`` at an unreadable file, or ``skip`` to the next photo. With ``skip``,
            samples have an entry ``skipped`` with one line for each file skipped.

    Raises:
        GFMError: A crop size is below 1.
    """

    rosta: str = "tt"
    crop_sizes: Sequence[int] | int = (640, 960, 1280)
    fallback_size: int | None = None
    transition_probability: float = 0.5
    input_size: int = 320
    interpolation: Interpolation = "linear"
    flip_probability: float = 0.5
    seed: int = 0
    also_share: float | Sequence[float] = 0.5
    on_error: OnError = "stop"

    def __post_init__(self) -> None:
        sizes = [*self.sides, *([] if self.fallback_size is None else [self.fallback_size])]
        if not self.sides or min(sizes) < 1:
            raise GFMError(f"crop sizes must be positive pixels, not {sizes}")

    @property
    def sides(self) -> Sequence[int]:
        """The crop sizes as a sequence."""
        return [self.crop_sizes] if isinstance(self.crop_sizes, int) else self.crop_sizes

    @property
    def kernel_sizes(self) -> list[int]:
        """Kernel sizes of the trimaps that the RoSTA needs."""
        return sorted({branch.kernel_size for branch in ROSTAS[self.rosta]})


class TrainingSet(Dataset[Sample]):
    """Samples of a track; each depends only on the seed, the epoch and its index.

    A sample holds uint8 tensors of the same height and width: ``image``, ``alpha``, ``trimap_K``
    for each kernel size K, and ``foreground`` and ``background`` if they are known. It also holds
    the ``name`` of the photo.

    Args:
        track: Composes the picture.
        photos: Photos to train on.
        scenes: Backgrounds; empty if the track uses none.
        options: How samples are cut.
    """

    def __init__(
        self,
        track: Track,
        photos: Sequence[Photo],
        scenes: Sequence[Scene],
        options: SampleOptions,
    ) -> None:
        self.track = track
        self.photos = photos
        self.scenes = scenes
        self.options = options
        self.order = PhotoOrder(
            photos, track.backgrounds_per_foreground, options.also_share, options.seed
        )
        self.transform = JointTransform(
            options.input_size, options.flip_probability, options.interpolation
        )

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        """Return the sample of ``(epoch, index)``.

        Raises:
            GFMError: The files of a photo are unreadable or differ in size; with
                ``on_error="skip"``, those of ten photos in a row.
        """
        epoch, index = key
        if self.options.on_error == "stop":
            return self._sample(epoch, index)
        skipped: list[str] = []
        while len(skipped) < _MOST_SKIPPED:
            try:
                return {**self._sample(epoch, index), "skipped": "\n".join(skipped)}
            except GFMError as error:
                skipped.append(str(error))
            index = (index + self.track.backgrounds_per_foreground) % len(self)
        raise GFMError(f"{len(skipped)} photos in a row cannot be used, the last: {skipped[-1]}")

    def _sample(self, epoch: int, index: int) -> Sample:
        photo, scene, matte, crop, rng = self._draw(epoch, index)
        arrays = self.track.compose(photo, scene, matte.alpha, crop, rng)
        arrays["alpha"] = crop.of(matte.alpha)
        arrays |= self._trimaps(matte, crop)
        arrays = self.transform(arrays, seed=int(rng.integers(2**31)))
        return {"name": photo.name, **{k: to_tensor(array) for k, array in arrays.items()}}

    def _draw(
        self, epoch: int, index: int
    ) -> tuple[Photo, Scene | None, Matte, Crop, np.random.Generator]:
        """Return the photo, background, matte, crop and random generator of a sample."""
        options = self.options
        rng = np.random.default_rng((options.seed, epoch, index))
        photo = self.order.photo(epoch, index)
        scene = self.scenes[int(rng.integers(len(self.scenes)))] if self.scenes else None
        matte = Matte(photo)
        # With every RoSTA, windows are centred on TT's transition region, as in the paper. (The
        # official code centres on a pixel where the matte itself is 128.)
        window = choose_window(
            matte, options.sides, options.transition_probability, rng, options.fallback_size
        )
        return photo, scene, matte, Crop(window, options.input_size, options.interpolation), rng

    def _trimaps(self, matte: Matte, crop: Crop) -> dict[str, np.ndarray]:
        return {
            f"trimap_{size}": crop.subsample_labels(matte.trimap(size, crop.window))
            for size in self.options.kernel_sizes
        }


class ValidationSet(Dataset[Sample]):
    """Whole photos, each with ``image``, ``alpha`` and ``trimap`` (uint8).

    A sample also has the ``name`` of the photo, and that of its ``dataset`` (empty for the main
    one).

    A missing trimap is made from the alpha with TT's kernel. A cut-out is blended over its scene.

    Args:
        photos: Photos to read.
    """

    def __init__(self, photos: Sequence[Photo]) -> None:
        self.photos = photos

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> Sample:
        photo = self.photos[index]
        alpha = read_alpha(photo.alpha, photo.is_cutout)
        image = read_photo(photo.image, alpha, photo.scene)
        check_size(photo.alpha, alpha.shape, "its photo", image.shape[:2])
        if photo.trimap:
            trimap = read_alpha(photo.trimap)
            check_size(photo.trimap, trimap.shape, "its photo", image.shape[:2])
        else:
            trimap = trimap_from_alpha(alpha, TT.kernel_size)
        arrays = {"image": image, "alpha": alpha, "trimap": trimap}
        names = {"name": photo.name, "dataset": photo.dataset}
        return {**names, **{k: to_tensor(array) for k, array in arrays.items()}}
