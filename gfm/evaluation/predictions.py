"""Reads the mattes of any other method from a folder of PNG files, named like the photos."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from gfm.data.images import image_size, read_matte
from gfm.data.layout import Photo
from gfm.data.loaders import photo_loader
from gfm.errors import GFMError
from gfm.evaluation.scoring import Scorer
from gfm.system.files import check_name, fingerprint_of_files
from gfm.system.progress import Progress

_NUM_LISTED = 20  # missing mattes named on the terminal


def resize_matte(matte: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize H×W of any depth, by averaging if it shrinks and linearly otherwise."""
    if matte.shape == (height, width):
        return matte
    shrinks = height * width < matte.size
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(matte, (width, height), interpolation=interpolation)


class PredictionSource:
    """Reads a folder of mattes; a :class:`gfm.evaluation.scoring.MatteSource`.

    Needs neither a network nor Lightning. Mattes keep their 8 or 16 bits.

    Args:
        folder: Folder of ``<name of the photo>.png``.
        photos: Photos of the data.
        allow_missing: Whether missing mattes cause a warning instead of an error.

    Attributes:
        missing: Names of the photos without a matte.

    Raises:
        GFMError: The folder does not exist, no file in it matches a photo, or a name is not UTF-8.
    """

    def __init__(self, folder: Path, photos: Sequence[Photo], allow_missing: bool = False) -> None:
        if not folder.is_dir():
            raise GFMError(f"no folder {folder}: set predictions=<folder of PNG mattes>")
        found = {
            path.stem: path
            for path in sorted(folder.iterdir())
            if path.suffix.lower() == ".png" and not path.name.startswith(".")
        }
        for path in found.values():
            check_name(path)
        self.files = {photo.name: found[photo.name] for photo in photos if photo.name in found}
        self.allow_missing = allow_missing
        self.missing = [photo.name for photo in photos if photo.name not in found]
        if not self.files:
            raise GFMError(
                f"none of the {len(found)} PNG files in {folder} matches one of the "
                f"{len(photos)} photos: name them {photos[0].name}.png and so on"
            )
        self._check_files(folder, photos, [name for name in found if name not in self.files])
        digest = fingerprint_of_files(self.files.values(), with_times=True)
        self.settings = {"predictions": f"{folder.resolve()} {digest}"}
        self.facts = {"predictions": str(folder)}
        if self.missing:
            num, names = len(self.missing), ", ".join(self.missing)
            self.facts["missing"] = f"{num} of {len(photos)} mattes, left out of the means: {names}"

    def _check_files(self, folder: Path, photos: Sequence[Photo], strays: list[str]) -> None:
        """Warn about mattes of other sizes and files without a photo."""
        alphas = {photo.name: photo.alpha for photo in photos}
        sizes = {name: (image_size(p), image_size(alphas[name])) for name, p in self.files.items()}
        resized = {name: (old, new) for name, (old, new) in sizes.items() if old != new}
        if resized:
            name, (old, new) = next(iter(resized.items()))
            warnings.warn(
                f"{len(resized)} of {len(self.files)} mattes in {folder} differ in size from their "
                f"photos and are resized, for example {name} "
                f"({old[1]}×{old[0]} to {new[1]}×{new[0]} pixels)",
                stacklevel=3,
            )
        if strays:
            warnings.warn(
                f"{len(strays)} of {len(strays) + len(self.files)} PNG files in {folder} match no "
                f"photo, for example {strays[0]}.png",
                stacklevel=3,
            )

    def available(self, photos: list[Photo]) -> list[Photo]:
        """Return the photos that have a matte."""
        return [photo for photo in photos if photo.name in self.files]

    def run(self, photos: list[Photo], num_workers: int, num_done: int, scorer: Scorer) -> bool:
        """Read and score the mattes.

        Raises:
            GFMError: A file cannot be read, written or scored.
        """
        with Progress(num_done + len(photos), "photo", num_done) as progress:
            for sample in photo_loader(photos, num_workers):
                matte = read_matte(self.files[sample["name"][0]])
                scorer.add(resize_matte(matte, *sample["alpha"].shape[-2:]), sample)
                progress.advance()
        return True

    def finish(self) -> None:
        """List the photos without a matte.

        Raises:
            GFMError: Mattes are missing and ``allow_missing`` is not set.
        """
        if not self.missing:
            return
        total, more = len(self.missing) + len(self.files), len(self.missing) - _NUM_LISTED
        names = ", ".join(self.missing[:_NUM_LISTED])
        names += f" and {more} more, listed in report.html" if more > 0 else ""
        text = (
            f"{len(self.missing)} of {total} mattes are missing, "
            f"the means cover only the other {len(self.files)}: {names}"
        )
        if not self.allow_missing:
            raise GFMError(f"{text}; add them, or set allow_missing=true")
        warnings.warn(text, stacklevel=2)
