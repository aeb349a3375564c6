"""Finds the folders of photos and of mattes in a dataset by their names, or else by content."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gfm.data.decoding import decode_channels, load
from gfm.data.images import is_packed, open_array, read_image
from gfm.data.listing import list_folders, list_pictures
from gfm.errors import GFMError

# Lower-case names of folders in published datasets, the most specific first.
_IMAGES = (
    *("images", "image", "original", "originals", "original_image", "blurred_image"),
    *("photos", "photo", "imgs", "img", "im", "inputs", "input", "rgb", "merged", "fg"),
)
_ALPHAS = (
    *("alphas", "alpha", "mattes", "matte", "masks", "mask", "gts", "gt", "pha"),
    *("ground_truth", "groundtruth", "targets", "target"),
)
_TRIMAPS = ("trimaps", "trimap")
TRAINING = ("train", "training")
VALIDATION = ("validation", "valid", "val", "testval", "test")

_NUM_SAMPLES = 4  # about this many pictures are read to find out what a folder holds
# Fraction of cut-outs above which a folder counts as one of cut-outs; other pictures in it are
# reported later.
_MOST = 0.5
_JPEG_TINT = 8  # largest difference between the channels of a grey picture stored in colour


class FolderNames(NamedTuple):
    """Names of the folders of a dataset; ``images`` and ``alphas`` are equal for cut-outs."""

    images: str
    alphas: str
    trimaps: str | None


def find_folders(
    folder: Path,
    images: str | None = None,
    alphas: str | None = None,
    trimaps: str | None = None,
    are_together: bool = False,
) -> FolderNames:
    """Find the folders of photos, mattes and trimaps by name, or else by content: mattes are grey.

    Args:
        folder: Folder that holds them, or cut-outs.
        images: Name of the folder of photos, if it is known.
        alphas: Name of the folder of mattes, if it is known.
        trimaps: Name of the folder of trimaps, if it is known.
        are_together: Whether mattes may be in the folder of photos, under different names.

    Raises:
        GFMError: The folders cannot be told apart.
    """
    images = images or _child_name(folder, _IMAGES)
    alphas = alphas or _child_name(folder, _ALPHAS)
    trimaps = trimaps or _child_name(folder, _TRIMAPS)
    if images and alphas:
        return FolderNames(images, alphas, trimaps)
    if not images and not alphas and _share(folder, _has_opacity) > _MOST:
        return FolderNames(".", ".", trimaps)
    others = [p for p in _folders_of_pictures(folder) if p.name not in (images, alphas, trimaps)]
    grey = [path.name for path in others if _share(path, _is_grey) == 1]
    coloured = [path.name for path in others if path.name not in grey]
    if not alphas and len(grey) == 1:
        alphas = grey[0]
    if not images and len(coloured) == 1:
        images = coloured[0]
    if not images and not (alphas and coloured) and list_pictures(folder):
        images = "."
    if images and not alphas and (are_together or _share(folder / images, _has_opacity) > _MOST):
        alphas = images
    if images and alphas:
        return FolderNames(images, alphas, trimaps)
    raise _undecided(folder, [n for n, v in (("images", images), ("alphas", alphas)) if not v])


def _undecided(folder: Path, missing: Sequence[str]) -> GFMError:
    options = " and ".join(f"data.{name}" for name in missing)
    there = ", ".join(path.name for path in _folders_of_pictures(folder))
    there = there or "no sub-folder with pictures"
    what = "photos" if missing[0] == "images" else "mattes"
    if options == "data.alphas":
        options += ", or data.alpha_suffix if they are among the photos"
    return GFMError(f"cannot tell where {folder} holds its {what} (it has {there}): set {options}")


def _folders_of_pictures(folder: Path) -> list[Path]:
    return [path for path in list_folders(folder) if list_pictures(path)]


def find_child(folder: Path, names: Iterable[str]) -> Path | None:
    """Return the sub-folder with the first name that exists, ignoring case."""
    children = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_dir()}
    return next((children[name] for name in names if name in children), None)


def _child_name(folder: Path, names: Iterable[str]) -> str | None:
    child = find_child(folder, names)
    return child.name if child else None


def _share(folder: Path, has: Callable[[Path], bool]) -> float:
    """Return the fraction of a folder's sampled pictures that have a property.

    Unreadable pictures are left out, because reading the dataset reports them later. If all are
    unreadable, the first error is raised.
    """
    paths = [path for found in list_pictures(folder).values() for path in found]
    chosen = paths[:: max(1, len(paths) // _NUM_SAMPLES)]
    known, faults = [], []
    for path in chosen:
        try:
            known.append(has(path))
        except GFMError as error:
            faults.append(error)
    if faults and not known:
        raise faults[0]
    return sum(known) / max(len(known), 1)


def _is_grey(path: Path) -> bool:
    if is_packed(path):
        return open_array(path).ndim == 2
    image = read_image(path)
    return int((image.max(axis=2) - image.min(axis=2)).max()) <= _JPEG_TINT


def _has_opacity(path: Path) -> bool:
    if is_packed(path):
        return False
    _, opacity = decode_channels(path, load(path))
    return opacity is not None and bool(opacity.min() < np.iinfo(opacity.dtype).max)
