"""Mixes your own photos with other datasets, which keep a network from forgetting."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from gfm.data.layout import Backgrounds, Foreground, Photo, Scene
from gfm.data.pairs import Pairs
from gfm.errors import GFMError

_STREAM = 77  # makes these random numbers independent of those of samples


@dataclass(frozen=True)
class Mixture:
    """A main dataset, and others that are also trained on.

    Photos of the others are named ``<folder>/<name>``, so no two photos have the same name.

    Attributes:
        main: The main dataset.
        also: Root folders of the others, in any layout that :class:`gfm.data.pairs.Pairs` finds
            without further options.
    """

    main: Pairs
    also: Sequence[str | Path] = ()

    def find(self) -> "Mixture":
        """Return the mixture itself."""
        return self

    def training(self, foreground: Foreground, is_denoised: bool) -> list[Photo]:
        """List the training photos of all datasets."""
        own = self.main.training(foreground, is_denoised)
        return own + self._added(lambda other: other.training(foreground, is_denoised))

    def validation(self) -> list[Photo]:
        """List the photos of the validation folders of all datasets."""
        return self.main.validation() + self._added(Pairs.validation)

    def scenes(self, name: Backgrounds, is_denoised: bool = False) -> list[Scene]:
        """List the backgrounds of the main dataset."""
        return self.main.scenes(name, is_denoised)

    def _added(self, list_photos: Callable[[Pairs], list[Photo]]) -> list[Photo]:
        """List photos of the others; an error names what they need instead of the main's options.

        Raises:
            GFMError: As in :class:`gfm.data.pairs.Pairs`, or two folders have the same name.
        """
        try:
            return [
                photo
                for name, other in self._others().items()
                for photo in _renamed(name, list_photos(other))
            ]
        except GFMError as error:
            fault, option, _ = str(error).partition(": set data.")
            if not option:
                raise
            raise GFMError(
                f"{fault}: data.also takes folders with the sub-folders images and alphas, whose "
                "files have the same names"
            ) from error

    def _others(self) -> dict[str, Pairs]:
        others: dict[str, Pairs] = {}
        for root in map(Path, self.also):
            name = dataset_name(root)
            if name in others:
                raise GFMError(f"data.also names two folders {root.name}: rename one of them")
            others[name] = Pairs(root, bg20k=self.main.bg20k, coco=self.main.coco)
        return others


def dataset_name(root: Path) -> str:
    """Return the name of an added dataset, which begins the names of its photos."""
    # Loggers group names at slashes, and torch forbids dots in names of modules.
    return root.resolve().name.replace(".", "_")


def _renamed(dataset: str, photos: Sequence[Photo]) -> list[Photo]:
    return [replace(p, name=f"{dataset}/{p.name}", dataset=dataset) for p in photos]


def datasets_of(photos: Sequence[Photo]) -> dict[str, list[Photo]]:
    """Group photos by their dataset; the main one has the name ``""``."""
    groups: dict[str, list[Photo]] = {}
    for photo in photos:
        groups.setdefault(photo.dataset, []).append(photo)
    return groups


class PhotoOrder:
    """Maps the samples of an epoch to photos.

    An epoch shows every photo of the main dataset. Other datasets add samples until they have their
    share; each shows all its photos in a random order before repeating any. The photo of a sample
    depends only on the seed, the epoch and the index.

    Args:
        photos: Photos of all datasets.
        repeats: Samples for each photo of the main dataset.
        also_share: Fraction of the samples from all other datasets together, or one fraction for
            each, in their order; below 1 in total.
        seed: Seed of the random orders.

    Attributes:
        counts: Number of samples in an epoch by dataset.

    Raises:
        GFMError: The number of shares is wrong, or they add up to 1 or more.
    """

    def __init__(
        self,
        photos: Sequence[Photo],
        repeats: int = 1,
        also_share: float | Sequence[float] = 0.5,
        seed: int = 0,
    ) -> None:
        self.groups = datasets_of(photos)
        self.repeats = repeats
        self.seed = seed
        own = len(self.groups.get("", [])) * repeats
        others = [name for name in self.groups if name]
        shares = _shares(also_share, len(others))
        all_samples = own / (1 - sum(shares))
        self.counts = {"": own} if own else {}
        self.counts |= {
            name: max(1, round(share * all_samples))
            for name, share in zip(others, shares, strict=True)
        }

    def __len__(self) -> int:
        return sum(self.counts.values())

    def photo(self, epoch: int, index: int) -> Photo:
        """Return the photo of a sample."""
        for number, (name, count) in enumerate(self.counts.items()):
            group = self.groups[name]
            if index < count and not name:
                return group[index // self.repeats]
            if index < count:
                cycle, place = divmod(epoch * count + index, len(group))
                order = _permutation(len(group), (self.seed, _STREAM, number, cycle))
                return group[order[place]]
            index -= count
        raise IndexError(f"an epoch has only {len(self)} samples")


def _shares(also_share: float | Sequence[float], num_others: int) -> list[float]:
    if isinstance(also_share, int | float):
        shares = [also_share / num_others] * num_others if num_others else []
    else:
        shares = list(also_share)
    if len(shares) != num_others or not all(share > 0 for share in shares) or sum(shares) >= 1:
        raise GFMError(
            f"data.also_share={also_share} for {num_others} datasets in data.also: set a share "
            "between 0 and 1 for all together, or one for each, which add up to less than 1"
        )
    return shares


@lru_cache(maxsize=16)
def _permutation(length: int, seed: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(seed).permutation(length)
