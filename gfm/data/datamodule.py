"""The Lightning data module, which loads batches from a source of files and a track."""

from collections.abc import Sequence
from os.path import realpath
from pathlib import Path
from typing import Protocol

import pytorch_lightning as pl
from torch.utils.data import DataLoader

from gfm.compat.lightning import num_batches_fetched
from gfm.data.batch import Batch, split_batch
from gfm.data.composite_parts import WindowSet, check_track, collate
from gfm.data.dataset import (
    ComposeOn,
    Sample,
    SampleOptions,
    Track,
    TrainingSet,
    ValidationSet,
)
from gfm.data.device_compositing import compose
from gfm.data.even_spacing import spread
from gfm.data.layout import Datasets, Photo
from gfm.data.loaders import TrainingLoader, photo_loader
from gfm.data.mixture import datasets_of
from gfm.data.samplers import EndlessBatches, EpochSampler
from gfm.data.split import hold_out
from gfm.errors import GFMError
from gfm.system.cores import num_loaders
from gfm.system.ranks import rank_and_world


class DatasetSource(Protocol):
    """Finds the datasets, and creates them first if needed."""

    def find(self) -> Datasets: ...  # noqa: D102


def _check_apart(trained: Sequence[Photo], validated: Sequence[Photo]) -> None:
    """Check that no photo is used for both training and validation."""
    both = {realpath(p.image) for p in trained} & {realpath(p.image) for p in validated}
    if both:
        raise GFMError(
            f"photos are in both training and validation ({len(both):,}), such as {min(both)}: "
            "remove them from one"
        )


def _check_share(number: int, num_processes: int, what: str) -> None:
    """Raise GFMError if there are fewer samples than processes."""
    if number < num_processes:
        raise GFMError(
            f"{number} {what} are too few for {num_processes} processes: set trainer.devices to "
            f"{number} or fewer"
        )


_NUM_OF_OTHERS = 10  # validation photos per added dataset
_HOLDOUT = 0.2  # fraction held out of a dataset without validation photos


class MattingDataModule(pl.LightningDataModule):
    """Makes the loaders for training, validation and the final test.

    Args:
        source: Finds the files.
        track: Composes training samples; not needed for evaluation.
        samples: How training samples are cut from photos; by default as in the paper.
        batch_size: Samples per batch of all processes together, as in the official code.
        num_workers: Loader processes per training process; 0 loads in the training process,
            ``None`` uses :func:`gfm.system.cores.num_loaders`.
        compose_on: Where samples are composed: ``workers``, the loader processes, or ``device``,
            after the batch has been moved there; see :mod:`gfm.data.device_compositing`.
        num_validation_photos: Number of photos validated during training, spread evenly over the
            set; ``None`` takes all.
        num_holdout: Number of training photos to hold out, or their fraction as a float; see
            :func:`gfm.data.split.hold_out`. ``None`` holds out a fifth of a dataset without a
            validation set. Photos that are held out are validated during training. The final test
            uses the validation set, or the held-out photos if there is none.
        split: ``split.csv`` of an earlier run; the same photos are held out.
        repeats_first_epoch: Whether every epoch repeats the samples of the first, to check that the
            network can overfit them.

    Raises:
        GFMError: ``num_validation_photos`` is below 1.
    """

    def __init__(
        self,
        source: DatasetSource,
        track: Track | None = None,
        samples: SampleOptions | None = None,
        batch_size: int = 32,
        num_workers: int | None = None,
        compose_on: ComposeOn = "workers",
        num_validation_photos: int | None = None,
        num_holdout: int | float | None = None,
        split: Path | str | None = None,
        repeats_first_epoch: bool = False,
    ) -> None:
        super().__init__()
        if num_validation_photos is not None and num_validation_photos < 1:
            raise GFMError(
                f"data.num_validation_photos={num_validation_photos}: set at least 1, null for "
                "all, or trainer.limit_val_batches=0 for none"
            )
        self.source = source
        self.track = track
        self.samples = samples or SampleOptions()
        self.batch_size = batch_size
        self.composes_on_device = compose_on == "device"
        self._num_workers = num_workers
        self.num_validation_photos = num_validation_photos
        self.repeats_first_epoch = repeats_first_epoch
        self.num_holdout = num_holdout
        self.split = Path(split) if split else None
        self.photos: list[Photo] = []
        self.held_out: list[Photo] = []
        self.other_datasets: list[str] = []  # added datasets with validation photos

    @property
    def num_workers(self) -> int:
        """The number of loader processes per training process."""
        if self._num_workers is not None:
            return self._num_workers
        # Bytes per pixel: a window has foreground, background and alpha; a sample has image,
        # foreground, background, alpha and two trimaps.
        on_device = self.composes_on_device
        side = max(self.samples.sides) if on_device else self.samples.input_size
        num_bytes = 7 if on_device else 12
        batch_bytes = self.batch_size * side**2 * num_bytes
        return num_loaders(batch_bytes, self.trainer.num_devices if self.trainer else 1)

    def prepare_data(self) -> None:
        """Let the source create missing files; Lightning calls this once per machine."""
        self.source.find()

    def setup(self, stage: str | None = None) -> None:
        """List the files.

        Args:
            stage: ``fit`` for training; otherwise only the validation photos are listed, unless
                they are already.

        Raises:
            GFMError: Files are missing, no photo is left for training or validation, or one is in
                both.
        """
        if stage != "fit" and self.photos:
            return  # keep the training photos
        files = self.source.find()
        validated = datasets_of(files.validation())
        self.photos, self.held_out = validated.pop("", []), []
        if stage == "fit" and self.track is not None:
            self.training = self._training_set(self.track, files, validated)
        elif not self.photos:
            self._hold_out(files.training("image", False), validated)
        self.photos = self.photos or self.held_out
        if not self.photos:
            raise GFMError(
                "there are no validation photos: hold some out with data.num_holdout=0.2, or "
                "evaluate on all with data.num_holdout=1.0"
            )
        number = self.num_validation_photos or len(self.photos)
        self.validation = ValidationSet(
            [
                *(self.held_out or spread(self.photos, number)),
                *(p for photos in validated.values() for p in spread(photos, _NUM_OF_OTHERS)),
            ]
        )
        self.other_datasets = sorted(validated)

    def _training_set(
        self, track: Track, files: Datasets, validated: dict[str, list[Photo]]
    ) -> TrainingSet:
        if self.composes_on_device:
            check_track(track)
        trained = self._hold_out(track.photos(files), validated)
        if all(photo.dataset for photo in trained):
            raise GFMError(
                f"{len(self.held_out)} of {len(self.held_out)} training photos are held out: "
                "add photos, or hold out fewer with data.num_holdout"
            )
        others = (photo for photos in validated.values() for photo in photos)
        _check_apart(trained, [*self.photos, *self.held_out, *others])
        return TrainingSet(track, trained, track.scenes(files), self.samples)

    def _hold_out(self, photos: Sequence[Photo], validated: dict[str, list[Photo]]) -> list[Photo]:
        """Hold photos out, and return those to train on.

        Photos of an added dataset that ``validated`` lacks are held out, too, and put there.
        """
        groups = datasets_of(photos)
        number = self.num_holdout
        if number is None:
            number = 0 if self.photos else _HOLDOUT
        self.held_out, trained = hold_out(groups.pop("", []), number, self.split)
        for name, group in groups.items():
            if name not in validated:
                validated[name], group = hold_out(group, _HOLDOUT)
                if not group:
                    raise GFMError(
                        f"all {len(validated[name])} photos of {name} in data.also are held out "
                        "for validation: add photos to it, or leave it out"
                    )
            trained += group
        return trained

    def train_dataloader(self) -> DataLoader[Sample]:
        """Return a loader that starts at the current batch and drops an incomplete last batch.

        Raises:
            GFMError: A batch does not divide among the processes, or a process has no sample.
        """
        num_processes = rank_and_world()[1]
        batch_size = split_batch(self.batch_size, num_processes)
        _check_share(len(self.training), num_processes, "training samples")
        sampler = EpochSampler(len(self.training), self.samples.seed, self.repeats_first_epoch)
        is_on_gpu = self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"
        return TrainingLoader(
            self._batches_done,
            WindowSet.like(self.training) if self.composes_on_device else self.training,
            batch_sampler=EndlessBatches(sampler, batch_size),
            num_workers=self.num_workers,
            collate_fn=collate if self.composes_on_device else None,
            pin_memory=is_on_gpu,
            persistent_workers=self.num_workers > 0,
        )

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Compose a training batch on the device if its loader did not."""
        if "recipes" not in batch:
            return batch
        samples = self.samples
        has_layers = getattr(self.track, "foreground", "image") != "image"
        return compose(batch, samples.input_size, samples.interpolation, has_layers)

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
        _check_share(len(photos), rank_and_world()[1], "validation photos")
        return photo_loader(photos, self.num_workers)
