"""Scores the mattes of any method, read from a folder of pictures."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import default_collate

from gfm.data.dataset import ValidationSet
from gfm.data.images import image_size, is_too_small
from gfm.data.layout import Photo
from gfm.errors import GFMError
from gfm.evaluation.journal import fingerprint
from gfm.evaluation.prediction_files import (
    find_mattes,
    is_rotated,
    matte_size,
    read_prediction,
    resize_matte,
)
from gfm.evaluation.scoring import Scorer
from gfm.system.cores import num_cores
from gfm.system.progress import Progress
from gfm.system.ranks import is_global_zero
from gfm.system.threads import map_threads

_MOST_THREADS = 16  # each holds a photo in memory
_NUM_CHECKED = 8  # mattes whose range is checked
_NUM_LISTED = 20  # mattes named on the terminal


class PredictionSource:
    """Reads a folder of mattes; a :class:`gfm.evaluation.scoring.MatteSource`.

    It needs neither a network nor Lightning. Mattes keep their 8 or 16 bits.

    Args:
        folder: Folder of mattes; see :func:`gfm.evaluation.prediction_files.find_mattes`.
        photos: Photos of the data.
        allow_missing: Whether missing mattes cause a warning instead of an error.

    Raises:
        GFMError: The folder does not exist, or no file in it belongs to a photo.
    """

    def __init__(self, folder: Path, photos: Sequence[Photo], allow_missing: bool = False) -> None:
        if not folder.is_dir():
            raise GFMError(f"no folder {folder}: set predictions=<folder of mattes>")
        self.files, strays = find_mattes(folder, photos)
        self.allow_missing = allow_missing
        self.missing = [photo.name for photo in photos if photo.name not in self.files]
        self.faults: dict[str, str] = {}  # reasons why mattes cannot be scored, by photo
        self._warn(folder, photos, strays)
        self.settings = {"predictions": fingerprint(self.files.values())}
        self.facts = {"predictions": str(folder)}
        if self.missing:
            num, names = len(self.missing), ", ".join(self.missing)
            self.facts["missing"] = f"{num} of {len(photos)} mattes, left out of the means: {names}"

    def _warn(self, folder: Path, photos: Sequence[Photo], strays: list[Path]) -> None:
        """Warn about mattes whose size differs, and about pictures that match no photo."""
        resized = []
        for photo in self.available(photos):
            try:
                old = matte_size(self.files[photo.name])
            except GFMError:
                continue  # reported when it is read
            new = image_size(photo.alpha)
            if old != new and not is_rotated(old, new):
                resized.append(f"{photo.name} ({old[1]}×{old[0]} to {new[1]}×{new[0]} pixels)")
        if resized:
            warnings.warn(
                f"{len(resized)} of {len(self.files)} mattes in {folder} differ in size from their "
                f"photos and are resized, for example {resized[0]}",
                stacklevel=3,
            )
        if strays:
            warnings.warn(
                f"{len(strays)} of {len(strays) + len(self.files)} pictures in {folder} match no "
                f"photo, for example {strays[0].name}",
                stacklevel=3,
            )

    def available(self, photos: Sequence[Photo]) -> list[Photo]:
        """Return the photos that have a matte."""
        return [photo for photo in photos if photo.name in self.files]

    def run(self, photos: list[Photo], num_workers: int, num_done: int, scorer: Scorer) -> bool:
        """Read and score the mattes in parallel threads; those that cannot be read are left out.

        With ``num_workers=0``, or with additional metrics, which may not be thread-safe, there is
        only one thread. If there are several processes, as with ``torchrun``, only rank zero works.

        Raises:
            GFMError: A photo cannot be read, a matte cannot be written, no matte can be scored, the
                first mattes have a wrong range, or the evaluation would overwrite the mattes.
        """
        if not is_global_zero():
            return False
        self._check_folder(scorer.folder)
        num_threads = min(_MOST_THREADS, num_cores()) if num_workers and not scorer.extra else 1
        self._check_range(photos)
        score = partial(self._score, scorer, ValidationSet(photos))
        total = num_done + len(photos)
        with Progress(total, "photo", num_done) as progress, _single_threaded_torch():
            for name, row in map_threads(score, range(len(photos)), num_threads):
                if isinstance(row, GFMError):
                    self.faults[name] = str(row)
                else:
                    scorer.journal.add(name, row)
                progress.advance()
        scorer.journal.close()
        if self.faults:
            if len(self.faults) == len(self.files):
                raise GFMError(self._describe_faults())
            names = ", ".join(self.faults)
            self.facts["faulty"] = f"{len(self.faults)} mattes, left out of the means: {names}"
        return True

    def _check_folder(self, results: Path) -> None:
        folder = next(iter(self.files.values())).parent
        if folder.samefile(results):
            raise GFMError(
                f"this evaluation would overwrite the mattes in {folder}, which it scores: set "
                "paths.run to a different folder"
            )

    def _check_range(self, photos: Sequence[Photo]) -> None:
        """Raise GFMError if the first mattes are masks of 0 and 1, or 8-bit values in 16 bits."""
        seen = []
        for photo in photos[:_NUM_CHECKED]:
            with suppress(GFMError):  # reported when it is scored
                matte = read_prediction(self.files[photo.name])
                if matte.any():
                    seen.append(matte.dtype != np.float32 and is_too_small(matte))
        if seen and all(seen):
            raise GFMError(
                f"the first mattes in {self.facts['predictions']} are almost empty: multiply masks "
                "of 0 and 1 by 255, and 8-bit values in 16 bits by 257"
            )

    def _score(
        self, scorer: Scorer, dataset: ValidationSet, index: int
    ) -> tuple[str, dict[str, float] | GFMError]:
        """Return the name of a photo, and its metrics or the reason why it cannot be scored."""
        name = dataset.photos[index].name
        sample = default_collate([dataset[index]])
        path, (height, width) = self.files[name], sample["alpha"].shape[-2:]
        try:
            matte = read_prediction(path)
        except GFMError as error:
            return name, error
        if is_rotated(matte.shape, (height, width)):
            have = f"{matte.shape[1]}×{matte.shape[0]}"
            return name, GFMError(
                f"{path} is {have} pixels and its photo {width}×{height}: rotate the matte"
            )
        return name, scorer.score(resize_matte(matte, height, width), sample)

    def finish(self) -> None:
        """List the photos whose matte is missing or cannot be scored.

        Raises:
            GFMError: There are such photos and ``allow_missing`` is not set.
        """
        problems = []
        if self.missing:
            total, names = len(self.missing) + len(self.files), _listed(self.missing)
            problems.append(f"{len(self.missing)} of {total} mattes are missing: {names}")
        if self.faults:
            problems.append(self._describe_faults())
        if not problems:
            return
        num_scored = len(self.files) - len(self.faults)
        text = "; ".join([*problems, f"the means cover only the other {num_scored}"])
        if not self.allow_missing:
            raise GFMError(f"{text}; add them, or set allow_missing=true")
        warnings.warn(text, stacklevel=2)

    def _describe_faults(self) -> str:
        names, first = _listed(list(self.faults)), next(iter(self.faults.values()))
        return f"{len(self.faults)} of {len(self.files)} mattes cannot be scored: {names} ({first})"


@contextmanager
def _single_threaded_torch() -> Iterator[None]:
    """Limit torch operations to one thread, because photos are scored in parallel."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NUM_LISTED
    rest = f" and {more} more, listed in report.html" if more > 0 else ""
    return ", ".join(names[:_NUM_LISTED]) + rest
