"""Which samples a process sees, in what order."""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from gfm.errors import GFMError
from gfm.system.ranks import rank_and_world


def share_of_batch(batch_size: int, num_processes: int) -> int:
    """Samples that each process has of a batch of all of them together.

    Raises:
        GFMError: they do not divide.
    """
    share, rest = divmod(batch_size, num_processes)
    if rest:
        fits = [k * num_processes for k in (share, share + 1) if k]
        raise GFMError(
            f"data.batch_size={batch_size} is of all processes together, and does not divide among "
            f"{num_processes}: set it to {' or '.join(map(str, fits))}, or change trainer.devices"
        )
    return share


class EpochSampler(Sampler[tuple[int, int]]):
    """Yields ``(epoch, index)`` in an order that depends on the seed and the epoch alone.

    Samples get the epoch through their key, so that workers that live on never repeat its draws.
    Ranks take turns; the few samples that do not divide among them wait for another epoch.

    Args:
        num_samples: of the whole dataset.
        seed: of the order.
        repeats_first: shows the samples of the first epoch in every one.

    Attributes:
        start: how many of this process's samples the epoch leaves out, having shown them before
            it was interrupted.
    """

    def __init__(self, num_samples: int, seed: int = 0, repeats_first: bool = False) -> None:
        self.num_samples = num_samples
        self.seed = seed
        self.repeats_first = repeats_first
        self.epoch = 0
        self.start = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = 0 if self.repeats_first else epoch

    def __len__(self) -> int:
        """Of a whole epoch, also where it is resumed in its middle."""
        return self.num_samples // rank_and_world()[1]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        rank, world = rank_and_world()
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.num_samples)
        own = order[rank::world][self.start : len(self)]
        return iter([(self.epoch, int(index)) for index in own])


class ShareSampler(Sampler[int]):
    """Each rank's share of an evaluation: every sample exactly once, in order.

    A DistributedSampler would repeat samples until all ranks have as many, and so falsify means.
    """

    def __init__(self, num_samples: int) -> None:
        self.num_samples = num_samples

    def _own(self) -> range:
        rank, world = rank_and_world()
        return range(rank, self.num_samples, world)

    def __len__(self) -> int:
        return len(self._own())

    def __iter__(self) -> Iterator[int]:
        return iter(self._own())
