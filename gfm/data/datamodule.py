"""The Lightning data module, which loads batches from a source of files and a track."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Protocol

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from gfm.compat.lightning import num_batches_fetched
from gfm.data.batch import split_batch
from gfm.data.dataset import (
    OnError,
    Sample,
    SampleOptions,
    Track,
    TrainingSet,
    ValidationSet,
    spread_indices,
)
from gfm.data.layout import Photo, Roots
from gfm.data.samplers import EpochSampler, ShareSampler
from gfm.data.transforms import Interpolation
from gfm.errors import GFMError
from gfm.rosta import ROSTAS
from gfm.system.processes import accept_only_parent_sigterm, block_sigterm, num_loaders
from gfm.system.ranks import rank_and_world


class Datasets(Protocol):
    """Datasets on disk; only :class:`gfm.data.layout.Roots` have training photos."""

    def validation(self) -> list[Photo]: ...  # noqa: D102


class DatasetSource(Protocol):
    """Finds the datasets, or makes them first."""

    def find(self) -> Datasets: ...  # noqa: D102


ONLY_EVALUATED: Final = "these data are only for evaluate.py: train on data=demo or data=am2k"
"""Error message for datasets without training photos."""


class _Loader(DataLoader[Sample]):
    """A loader whose workers ignore SIGTERM, and end only when their parent ends them.

    SLURM sends SIGTERM to every process of a job. A run that has lost its workers could not finish
    its step and save.
    """

    def __iter__(self) -> Any:
        # As late as this, because Lightning sets its own.
        self.worker_init_fn = accept_only_parent_sigterm
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


class _TrainingLoader(_Loader):
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
    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


class MattingDataModule(pl.LightningDataModule):
    """Makes the loaders for training, validation and the final test.

    Args:
        source: Finds the files.
        track: Composes training samples; not needed for evaluation.
        rosta: RoSTA, which decides the labels of the samples.
        batch_size: Samples per batch of all processes together, as in the official code.
        crop_sizes: Sides of the training windows in pixels of the photo; a number if there is one.
        input_size: Side of the training input in pixels.
        interpolation: Resizing of windows; see :class:`gfm.data.transforms.JointTransform`.
        flip_probability: Probability of flipping a sample.
        transition_probability: Probability of centring a window on the transition region.
        num_workers: Number of loader processes; 0 loads in the training process, ``None`` starts
            one per core, but at most 8, and only as many as /dev/shm has room for.
        seed: Seed of all random numbers.
        on_error: Reaction to unreadable files; see :class:`gfm.data.dataset.TrainingSet`.
        num_validation_photos: Number of photos validated during training, spread evenly over the
            set; ``None`` takes all.
        fallback_size: See :func:`gfm.data.transforms.choose_window`.
        num_holdout: Number of training photos to hold out, spread evenly. If not 0, these are
            validated during training, and the validation set is used only by the final test.
        repeats_first_epoch: Whether every epoch shows the samples of the first, which shows whether
            the network can learn them.

    Raises:
        GFMError: ``num_validation_photos`` or ``input_size`` is below 1.
    """

    def __init__(
        self,
        source: DatasetSource,
        track: Track | None = None,
        rosta: str = "tt",
        batch_size: int = 32,
        crop_sizes: Sequence[int] | int = (640, 960, 1280),
        input_size: int = 320,
        interpolation: Interpolation = "linear",
        flip_probability: float = 0.5,
        transition_probability: float = 0.5,
        num_workers: int | None = None,
        seed: int = 0,
        on_error: OnError = "stop",
        num_validation_photos: int | None = None,
        repeats_first_epoch: bool = False,
        fallback_size: int | None = None,
        num_holdout: int = 0,
    ) -> None:
        super().__init__()
        if num_validation_photos is not None and num_validation_photos < 1:
            raise GFMError(
                f"data.num_validation_photos={num_validation_photos}: set at least 1, null for "
                "all, or trainer.limit_val_batches=0 for none"
            )
        self.source = source
        self.track = track
        self.batch_size = batch_size
        self.options = SampleOptions(
            kernel_sizes=[branch.kernel_size for branch in ROSTAS[rosta]],
            crop_sizes=[crop_sizes] if isinstance(crop_sizes, int) else crop_sizes,
            fallback_size=fallback_size,
            transition_probability=transition_probability,
            input_size=input_size,
            interpolation=interpolation,
            flip_probability=flip_probability,
            seed=seed,
            on_error=on_error,
        )
        # Bytes of a pixel: image, foreground and background, alpha, and two trimaps.
        batch_bytes = batch_size * input_size**2 * 12
        self.num_workers = num_loaders(batch_bytes) if num_workers is None else num_workers
        self.num_validation_photos = num_validation_photos
        self.repeats_first_epoch = repeats_first_epoch
        self.num_holdout = num_holdout

    def prepare_data(self) -> None:
        """Let the source make files that are missing; Lightning calls this once per machine."""
        self.source.find()

    def setup(self, stage: str | None = None) -> None:
        """List the files.

        Args:
            stage: ``fit`` for training; otherwise only the validation photos are listed.

        Raises:
            GFMError: Files are missing, or the data have no training photos.
        """
        files = self.source.find()
        if stage == "fit" and not isinstance(files, Roots):
            raise GFMError(ONLY_EVALUATED)
        self.photos = files.validation()
        chosen = spread_indices(len(self.photos), self.num_validation_photos or len(self.photos))
        self.validation = ValidationSet([self.photos[index] for index in chosen])
        if stage != "fit" or self.track is None or not isinstance(files, Roots):
            return
        self.training = TrainingSet(self.track, files, self.options, self.num_holdout)
        if self.training.held_out:
            self.validation = ValidationSet(self.training.held_out)

    def train_dataloader(self) -> DataLoader[Sample]:
        """Return a loader that starts where the run is; a last, smaller batch is left out.

        Raises:
            GFMError: A batch does not divide among the processes.
        """
        batch_size = split_batch(self.batch_size, rank_and_world()[1])
        sampler = EpochSampler(len(self.training), self.options.seed, self.repeats_first_epoch)
        return _TrainingLoader(
            self._batches_done,
            self.training,
            batch_size,
            sampler=sampler,
            num_workers=self.num_workers,
            # The official code keeps a last, smaller batch.
            drop_last=len(sampler) >= batch_size,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=self.num_workers > 0,
        )

    def _batches_done(self) -> int:
        if self.trainer is None or not self.trainer.training:
            return 0
        return num_batches_fetched(self.trainer)

    def val_dataloader(self) -> DataLoader[Sample]:
        """Return a loader of the photos that are validated during training."""
        return self._photo_loader(self.validation.photos)

    def test_dataloader(self) -> DataLoader[Sample]:
        """Return a loader of the whole validation set, which serves as the test set."""
        return self._photo_loader(self.photos)

    def _photo_loader(self, photos: Sequence[Photo]) -> DataLoader[Sample]:
        """Return a loader of this process's share of the photos.

        Raises:
            GFMError: A process would have no photo, and the others would wait for it forever.
        """
        num_processes = rank_and_world()[1]
        if len(photos) < num_processes:
            raise GFMError(
                f"{len(photos)} validation photos are too few for {num_processes} processes: "
                f"set trainer.devices to {len(photos)} or fewer"
            )
        return photo_loader(photos, self.num_workers)
