"""Training samples and validation photos."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from gfm.data.composition import Layers
from gfm.data.images import read_alpha, read_image
from gfm.data.labels import trimap_from_alpha
from gfm.data.layout import Photo, Roots, Scene
from gfm.data.transforms import JointTransform, Window, choose_window
from gfm.errors import GFMError
from gfm.rosta import TT

Sample = dict[str, Tensor | str]


class Track(Protocol):
    """What a dataset asks of a track; see :mod:`gfm.data.composition`."""

    backgrounds_per_foreground: int

    def photos(self, roots: Roots) -> list[Photo]: ...  # noqa: D102
    def scenes(self, roots: Roots) -> list[Scene]: ...  # noqa: D102
    def compose(  # noqa: D102
        self,
        photo: Photo,
        scene: Scene | None,
        alpha: np.ndarray,
        window: Window,
        rng: np.random.Generator,
    ) -> Layers: ...


def to_tensor(array: np.ndarray) -> Tensor:
    """H×W or H×W×C to C×H×W, of the same type."""
    array = array if array.ndim == 3 else array[:, :, None]
    return torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))


class TrainingSet(Dataset[Sample]):
    """Samples of a track; each is a pure function of the seed, the epoch and its index.

    A sample holds uint8 tensors of one side: ``image``, ``alpha``, ``trimap_K`` for every kernel
    size K asked for, and ``foreground`` and ``background`` where they are known; and ``name``.

    Args:
        track: composes the picture.
        roots: of the datasets.
        kernel_sizes: of the trimaps that the RoSTA needs.
        transform: flips and resizes.
        crop_sizes: see :func:`gfm.data.transforms.choose_window`.
        transition_probability: likewise.
        seed: of all chance.

    Raises:
        GFMError: files are missing.
    """

    def __init__(
        self,
        track: Track,
        roots: Roots,
        kernel_sizes: Sequence[int],
        transform: JointTransform,
        crop_sizes: Sequence[int],
        transition_probability: float = 0.5,
        seed: int = 0,
    ) -> None:
        if not crop_sizes or min(crop_sizes) < 1:
            raise GFMError(f"crop sizes must be positive pixels, not {list(crop_sizes)}")
        self.track = track
        self.photos = track.photos(roots)
        self.scenes = track.scenes(roots)
        self.kernel_sizes = sorted({TT.kernel_size, *kernel_sizes})
        self.transform = transform
        self.crop_sizes = crop_sizes
        self.transition_probability = transition_probability
        self.seed = seed

    def __len__(self) -> int:
        return len(self.photos) * self.track.backgrounds_per_foreground

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        """The sample of ``(epoch, index)``."""
        epoch, index = key
        rng = np.random.default_rng((self.seed, epoch, index))
        photo = self.photos[index // self.track.backgrounds_per_foreground]
        scene = self.scenes[rng.integers(len(self.scenes))] if self.scenes else None

        alpha = read_alpha(photo.alpha)
        trimaps = {size: trimap_from_alpha(alpha, size) for size in self.kernel_sizes}
        # Windows are centred by TT's transition region whatever the RoSTA, as the paper does.
        window = choose_window(
            trimaps[TT.kernel_size], self.crop_sizes, self.transition_probability, rng
        )
        arrays = self.track.compose(photo, scene, alpha, window, rng)
        arrays["alpha"] = window.of(alpha)
        arrays |= {f"trimap_{size}": window.of(trimap) for size, trimap in trimaps.items()}
        arrays = self.transform(arrays, seed=int(rng.integers(2**31)))
        return {"name": photo.name, **{k: to_tensor(array) for k, array in arrays.items()}}


class ValidationSet(Dataset[Sample]):
    """Whole photos with alpha and trimap: ``image``, ``alpha``, ``trimap`` (uint8), ``name``.

    A trimap that is not among the files is made from the alpha as TT does.
    """

    def __init__(self, photos: Sequence[Photo]) -> None:
        self.photos = photos

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> Sample:
        photo = self.photos[index]
        image, alpha = read_image(photo.image), read_alpha(photo.alpha)
        if photo.trimap:
            trimap = read_alpha(photo.trimap)
        else:
            trimap = trimap_from_alpha(alpha, TT.kernel_size)
        for path, array in ((photo.alpha, alpha), (photo.trimap, trimap)):
            if array.shape != image.shape[:2]:
                raise GFMError(f"{path} is {array.shape}, its photo {image.shape[:2]} pixels")
        arrays = {"image": image, "alpha": alpha, "trimap": trimap}
        return {"name": photo.name, **{k: to_tensor(array) for k, array in arrays.items()}}
