"""Samplers, which decide which samples a process sees, and in what order."""

import copy
from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from gfm.system.ranks import rank_and_world


class EpochSampler(Sampler[tuple[int, int]]):
    """Yields ``(epoch, index)`` in an order that depends only on the seed and the epoch.

    The epoch is part of the key of a sample, so workers that persist between epochs never repeat
    their random draws. Samples are dealt to the ranks in turn; if they do not divide evenly, the
    few left over are not shown in that epoch.

    Args:
        num_samples: Number of samples in the whole dataset.
        seed: Seed of the order.
        repeats_first: Whether every epoch shows the samples of the first one.

    Attributes:
        start: Number of this process's samples to skip, because they were shown before the epoch
            was interrupted.
    """

    def __init__(self, num_samples: int, seed: int = 0, repeats_first: bool = False) -> None:
        self.num_samples = num_samples
        self.seed = seed
        self.repeats_first = repeats_first
        self.epoch = 0
        self.start = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; Lightning calls this before each one."""
        self.epoch = 0 if self.repeats_first else epoch

    def following(self, epoch: int) -> int:
        """Return the epoch whose samples are shown after those of ``epoch``."""
        return 0 if self.repeats_first else epoch + 1

    def __len__(self) -> int:
        """Return the number of samples of a whole epoch, even if it is resumed in the middle."""
        return self.num_samples // rank_and_world()[1]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        rank, world = rank_and_world()
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.num_samples)
        own = order[rank::world][self.start : len(self)]
        return iter([(self.epoch, int(index)) for index in own])


class EndlessBatches(Sampler[list[tuple[int, int]]]):
    """Yields the batches of an epoch, then those of the next one, without end.

    Loader processes can therefore prepare the first batches of an epoch during the one before, or
    during validation. An incomplete last batch is dropped, unless it is the only one. (The official
    code keeps it.)

    Args:
        sampler: Yields the samples of an epoch. Its epoch and start are those of the first batch.
        batch_size: Samples per batch.
    """

    def __init__(self, sampler: EpochSampler, batch_size: int) -> None:
        self.sampler = sampler
        self.batch_size = batch_size

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        num_samples = len(self.sampler)
        return num_samples // self.batch_size or min(1, num_samples)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        ahead = copy.copy(self.sampler)  # Lightning sets the epoch of the original
        while len(self):
            keys = list(ahead)
            for batch in range(ahead.start // self.batch_size, len(self)):
                first = batch * self.batch_size - ahead.start
                yield keys[first : first + self.batch_size]
            ahead.start = 0
            ahead.epoch = ahead.following(ahead.epoch)


class ShareSampler(Sampler[int]):
    """Yields each rank's share of an evaluation: every sample exactly once, in order.

    A DistributedSampler would repeat samples until all ranks have the same number, which biases
    means.
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
