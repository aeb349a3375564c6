"""Loaders of training samples and of whole photos."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch.utils.data import DataLoader

from gfm.data.dataset import Sample, TrainingSet, ValidationSet
from gfm.data.layout import Photo
from gfm.data.samplers import EpochSampler, ShareSampler
from gfm.system.memory import keep_freed_memory
from gfm.system.processes import accept_only_parent_sigterm, block_sigterm


def _start_worker(number: int) -> None:
    accept_only_parent_sigterm(number)
    keep_freed_memory()


class _Loader(DataLoader[Sample]):
    """A loader whose workers ignore SIGTERM, and end only when their parent ends them.

    SLURM sends SIGTERM to every process of a job. A run that has lost its workers could not finish
    its step and save.
    """

    def __iter__(self) -> Any:
        # As late as this, because Lightning sets its own.
        self.worker_init_fn = _start_worker
        with block_sigterm():
            return super().__iter__()


def photo_loader(photos: Sequence[Photo], num_workers: int) -> DataLoader[Sample]:
    """Return a loader of whole photos, one by one because their sizes differ.

    With several processes, each loads its share.

    Args:
        photos: Photos to load.
        num_workers: Number of loader processes; more than one is reduced to one, which is enough.
    """
    return _Loader(
        ValidationSet(photos),
        batch_size=1,
        sampler=ShareSampler(len(photos)),
        num_workers=min(num_workers, 1),
        persistent_workers=num_workers > 0,
    )


class TrainingLoader(_Loader):
    """A loader that can resume in the middle of an epoch.

    Args:
        batches_done: Returns how many batches of the epoch are done.
        dataset: Dataset; further arguments are those of a DataLoader with an EpochSampler.
    """

    def __init__(
        self, batches_done: Callable[[], int], dataset: TrainingSet, *args: Any, **options: Any
    ) -> None:
        super().__init__(dataset, *args, **options)
        self.batches_done = batches_done

    def __iter__(self) -> Iterator[Sample]:  # type: ignore[override]
        # A generator runs only when its first batch is wanted. Lightning asks for the iterator
        # earlier than that, before it has restored the epoch and the batch of a resumed run.
        assert isinstance(self.sampler, EpochSampler)
        self.sampler.start = self.batches_done() * (self.batch_size or 1)
        yield from super().__iter__()

    # The interface by which a loader tells Lightning that it can resume; its state is empty,
    # because Lightning counts the batches.
    def state_dict(self) -> dict[str, Any]:  # noqa: D102
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: D102
        pass
