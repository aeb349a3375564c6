"""The Lightning data module: loaders over a source of files and a track."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, Protocol

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from gfm.compat.lightning import num_batches_begun
from gfm.data.dataset import OnError, Sample, Track, TrainingSet, ValidationSet, spread
from gfm.data.layout import Photo, Roots
from gfm.data.samplers import EpochSampler, ShareSampler, share_of_batch
from gfm.data.transforms import JointTransform
from gfm.errors import GFMError
from gfm.rosta import ROSTAS
from gfm.system.processes import heed_parent_alone, num_cores, sigterm_held
from gfm.system.ranks import rank_and_world


class Datasets(Protocol):
    """Datasets that were found; only :class:`gfm.data.layout.Roots` hold training photos."""

    def validation(self) -> list[Photo]: ...  # noqa: D102


class DatasetSource(Protocol):
    """Finds the datasets, or makes them first."""

    def find(self) -> Datasets: ...  # noqa: D102


class _Loader(DataLoader[Sample]):
    """Its workers end when their parent says so, not at the SIGTERM of a scheduler.

    SLURM sends that to each process of a job, and a run without its workers cannot end its step.
    """

    def __iter__(self) -> Any:
        self.worker_init_fn = heed_parent_alone  # here, since Lightning sets its own before
        with sigterm_held():
            return super().__iter__()


def photo_loader(photos: Sequence[Photo], num_workers: int) -> DataLoader[Sample]:
    """Whole photos one by one, since their sizes differ; of several processes each has a share.

    Args:
        photos: to load.
        num_workers: loader processes, of which one is enough.
    """
    return _Loader(
        ValidationSet(photos),
        batch_size=1,
        sampler=ShareSampler(len(photos)),
        num_workers=min(num_workers, 1),
        persistent_workers=num_workers > 0,
    )


class _TrainingLoader(_Loader):
    """Resumes in the middle of an epoch.

    Args:
        batches_done: in this epoch.
        dataset: and all else as for a DataLoader with an EpochSampler.
    """

    def __init__(
        self, batches_done: Callable[[], int], dataset: TrainingSet, *args: Any, **options: Any
    ) -> None:
        super().__init__(dataset, *args, **options)
        self.batches_done = batches_done

    def __iter__(self) -> Iterator[Sample]:  # type: ignore[override]
        # A generator, which starts at its first batch: Lightning asks for iterators before it
        # has restored the epoch and the batch where a run goes on.
        assert isinstance(self.sampler, EpochSampler)
        self.sampler.start = self.batches_done() * (self.batch_size or 1)
        yield from super().__iter__()

    # Lightning counts the batches, yet asks for these before it believes that a loader can resume.
    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


class MattingDataModule(pl.LightningDataModule):
    """Training and validation loaders.

    Args:
        source: of the files.
        track: composes training samples; none is needed for evaluation.
        rosta: decides which labels samples carry.
        batch_size: of all processes together, which share it out, as the official code's does.
        crop_sizes: sides of the training windows, in pixels of the photo; or the only one.
        input_size: side of the training input.
        interpolation: from window to input, see :class:`gfm.data.transforms.JointTransform`.
        flip_probability: of mirroring a sample.
        transition_probability: of centring a window on the transition region.
        num_workers: loader processes; 0 loads in the training process, ``None`` starts one per
            core, at most 8.
        seed: of all draws.
        on_error: what an unreadable training file does, see :class:`gfm.data.dataset.TrainingSet`.
        num_validation_photos: during training, spread evenly over the set; ``None`` takes all.
        fallback_size: see :func:`gfm.data.transforms.choose_window`.
        num_holdout: training photos that are set aside, spread evenly, and validated in training
            instead of the validation set, which is then seen by the last test alone.
        repeats_first_epoch: shows its samples again in every other, to see whether they are learnt.
    """

    def __init__(
        self,
        source: DatasetSource,
        track: Track | None = None,
        rosta: str = "tt",
        batch_size: int = 32,
        crop_sizes: Sequence[int] | int = (640, 960, 1280),
        input_size: int = 320,
        interpolation: Literal["linear", "area"] = "linear",
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
        self.kernel_sizes = [branch.kernel_size for branch in ROSTAS[rosta]]
        self.batch_size = batch_size
        self.crop_sizes = [crop_sizes] if isinstance(crop_sizes, int) else crop_sizes
        self.transform = JointTransform(input_size, flip_probability, interpolation)
        self.transition_probability = transition_probability
        self.num_workers = min(8, num_cores()) if num_workers is None else num_workers
        self.seed = seed
        self.on_error = on_error
        self.num_validation_photos = num_validation_photos
        self.repeats_first_epoch = repeats_first_epoch
        self.fallback_size = fallback_size
        self.num_holdout = num_holdout

    def prepare_data(self) -> None:
        """Makes what is missing, once per machine."""
        self.source.find()

    def setup(self, stage: str | None = None) -> None:
        """Lists the files.

        Raises:
            GFMError: files are missing.
        """
        files = self.source.find()
        if stage == "fit" and not isinstance(files, Roots):
            raise GFMError("these data are for evaluate.py alone: train on data=demo or data=am2k")
        self.photos = files.validation()
        chosen = spread(len(self.photos), self.num_validation_photos or len(self.photos))
        self.validation = ValidationSet([self.photos[index] for index in chosen])
        if stage != "fit" or self.track is None or not isinstance(files, Roots):
            return
        self.training = TrainingSet(
            self.track,
            files,
            self.kernel_sizes,
            self.transform,
            self.crop_sizes,
            self.transition_probability,
            self.seed,
            self.on_error,
            self.fallback_size,
            self.num_holdout,
        )
        if self.training.held_out:
            self.validation = ValidationSet(self.training.held_out)

    def train_dataloader(self) -> DataLoader[Sample]:
        """Batches from where the run stands; a last, smaller one is left out.

        Raises:
            GFMError: a batch does not divide among the processes.
        """
        batch_size = share_of_batch(self.batch_size, rank_and_world()[1])
        sampler = EpochSampler(len(self.training), self.seed, self.repeats_first_epoch)
        return _TrainingLoader(
            self._batches_done,
            self.training,
            batch_size,
            sampler=sampler,
            num_workers=self.num_workers,
            # The official code uses a last, smaller batch.
            drop_last=len(sampler) >= batch_size,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=self.num_workers > 0,
        )

    def _batches_done(self) -> int:
        if self.trainer is None or not self.trainer.training:
            return 0
        return num_batches_begun(self.trainer)

    def val_dataloader(self) -> DataLoader[Sample]:
        """See :func:`photo_loader`."""
        return self._photo_loader(self.validation.photos)

    def test_dataloader(self) -> DataLoader[Sample]:
        """All photos of the validation set, which is what published test sets are called."""
        return self._photo_loader(self.photos)

    def _photo_loader(self, photos: Sequence[Photo]) -> DataLoader[Sample]:
        """Of this process's share.

        Raises:
            GFMError: a process would have no photo; the others would wait for it in vain.
        """
        num_processes = rank_and_world()[1]
        if len(photos) < num_processes:
            raise GFMError(
                f"{len(photos)} validation photos are too few for {num_processes} processes: "
                f"set trainer.devices to {len(photos)} or fewer"
            )
        return photo_loader(photos, self.num_workers)
