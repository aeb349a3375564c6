"""Loaders of training samples and of whole photos."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch.utils.data import DataLoader

from gfm.data.dataset import Sample, TrainingSet, ValidationSet
from gfm.data.layout import Photo
from gfm.data.samplers import EndlessBatches, ShareSampler
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
        # Set only now, to replace the function that Lightning sets.
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
    """A loader that prefetches across epochs, and can resume in the middle of one.

    Args:
        batches_done: Returns how many batches of the epoch are done.
        dataset: Dataset.
        batch_sampler: Batches; further options are those of a DataLoader.
    """

    def __init__(
        self,
        batches_done: Callable[[], int],
        dataset: TrainingSet,
        batch_sampler: EndlessBatches,
        **options: Any,
    ) -> None:
        super().__init__(dataset, batch_sampler=batch_sampler, **options)
        self.batches_done = batches_done
        self.batches = batch_sampler
        self._stream: Iterator[Sample] = iter(())
        self._next: tuple[int, int] | None = None  # epoch and batch that the stream yields next

    def __iter__(self) -> Iterator[Sample]:  # type: ignore[override]
        # A generator starts only when its first batch is requested. Lightning creates the iterator
        # earlier, before it has restored the epoch and the batch of a resumed run.
        sampler = self.batches.sampler
        epoch, done = sampler.epoch, self.batches_done()
        if self._next != (epoch, done):  # at the start, or after an epoch that ended early
            sampler.start = done * self.batches.batch_size
            self._stream = super().__iter__()
        for batch in range(done, len(self)):
            sample = next(self._stream)
            is_last = batch + 1 == len(self)
            self._next = (sampler.following(epoch), 0) if is_last else (epoch, batch + 1)
            yield sample

    # These methods tell Lightning that the loader can resume. The state is empty, because Lightning
    # counts the batches.
    def state_dict(self) -> dict[str, Any]:  # noqa: D102
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: D102
        pass
