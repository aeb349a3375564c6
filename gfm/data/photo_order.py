"""The order in which an epoch shows the photos of several datasets."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from gfm.data.layout import Photo
from gfm.data.mixture import datasets_of
from gfm.errors import GFMError

_STREAM = 77  # makes these random numbers independent of those of samples


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
        self.counts = {"": own}
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
            f"data.also_share={also_share} for {num_others} datasets in data.also: set one share "
            "between 0 and 1 for all of them, or one for each with a sum below 1"
        )
    return shares


@lru_cache(maxsize=16)
def _permutation(length: int, seed: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(seed).permutation(length)
