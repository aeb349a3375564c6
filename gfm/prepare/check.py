"""Checks every file of a dataset, so that a damaged one does not end a training after days."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from rich.filesize import decimal

from gfm.data.images import is_packed, read_alpha, read_image
from gfm.data.layout import Folders, Roots
from gfm.data.listing import pictures
from gfm.errors import GFMError
from gfm.rosta import BACKGROUND, FOREGROUND, TRANSITION
from gfm.system.console import console
from gfm.system.files import check_file, fingerprint_of_files
from gfm.system.processes import map_unordered, num_cores
from gfm.system.progress import Progress

Kind = Literal["image", "alpha", "trimap"]

_MANY = 20  # names that one line lists
_FEW = 3  # values that one line lists


@dataclass(frozen=True)
class Folder:
    """A folder of pictures.

    Attributes:
        path: Path of the folder.
        kind: Kind of its pictures.
        is_needed: Whether a missing folder is a problem.
    """

    path: Path
    kind: Kind = "image"
    is_needed: bool = False


@dataclass(frozen=True)
class Group:
    """Pictures that belong together and must have the same size."""

    files: tuple[tuple[Path, Kind], ...]

    def __str__(self) -> str:
        return str(self.files[0][0])


def parts(roots: Roots) -> list[list[Folder]]:
    """Return lists of folders whose pictures must have the same names, with mattes first."""
    return [*_photo_parts(roots.photos, roots.folders), *_scene_parts(roots)]


def _photo_parts(root: Path, names: Folders) -> Iterator[list[Folder]]:
    others = [names.foreground, names.background]
    others += [names.denoised_image, names.denoised_foreground]
    train = [
        Folder(root / names.train_alpha, "alpha", True),
        Folder(root / names.train_image, is_needed=True),
        *(Folder(root / name) for name in others),
    ]
    validation = [
        Folder(root / names.validation_alpha, "alpha", True),
        Folder(root / names.validation_image, is_needed=True),
    ]
    if names.validation_trimap:
        validation.append(Folder(root / names.validation_trimap, "trimap"))
    # A plain test set has nothing to train on.
    return iter([validation] if names.option == "data.root" else [train, validation])


def _scene_parts(roots: Roots) -> Iterator[list[Folder]]:
    if roots.bg20k:
        train = Folder(roots.bg20k / "train", is_needed=True)
        yield [train, Folder(roots.bg20k / "train_denoise")]
        yield [Folder(roots.bg20k / "testval")]
    if roots.coco:
        yield [Folder(roots.coco / "train", is_needed=True)]


def pair(folders: list[Folder]) -> tuple[list[Group], list[str]]:
    """Group the pictures of folders by name, and find the problems with their names."""
    listed = {folder: pictures(folder.path) for folder in folders}
    problems = [
        f"{folder.path}: {'no pictures' if folder.path.is_dir() else 'no such folder'}"
        for folder, found in listed.items()
        if not found and folder.is_needed
    ]
    listed = {folder: found for folder, found in listed.items() if found}
    stems = sorted(set().union(*listed.values()))
    for folder, found in listed.items():
        lacking = [stem for stem in stems if stem not in found]
        if lacking:
            names = ", ".join(lacking[:_MANY]) + (", …" if len(lacking) > _MANY else "")
            text = f"lacks {len(lacking):,} of {len(stems):,} pictures: {names}"
            problems.append(f"{folder.path}: {text}")
        for paths in found.values():
            if len(paths) > 1:
                names = " and ".join(path.name for path in paths)
                problems.append(f"{folder.path}: {names} have the same name: remove all but one")
    groups = [
        Group(tuple((p, f.kind) for f, found in listed.items() for p in found.get(stem, [])))
        for stem in stems
    ]
    return groups, problems


def inspect(group: Group) -> list[str]:
    """Return the problems of the pictures in a group, one line for each."""
    problems, sizes = [], {}
    for path, kind in group.files:
        try:
            decode_all(path)
            array = read_image(path) if kind == "image" else read_alpha(path)
        except GFMError as error:
            problems.append(str(error))
            continue
        sizes[path] = array.shape[:2]
        fault = _content_fault(array, kind)
        if fault:
            problems.append(f"{path}: {fault}")
    first, *others = sizes or [group.files[0][0]]
    for path in others:
        if sizes[path] != sizes[first]:
            have, want = (f"{height}×{width}" for height, width in (sizes[path], sizes[first]))
            problems.append(f"{path}: {have} pixels, but {want} in {first}")
    return problems


def _content_fault(array: np.ndarray, kind: Kind) -> str | None:
    if kind == "image":
        return None
    if array.min() == array.max():
        value = int(array.flat[0])
        return f"empty {kind}, all 0" if value == 0 else f"constant {kind}, all {value}"
    if kind == "trimap":
        known = (BACKGROUND, TRANSITION, FOREGROUND)
        others = [int(value) for value in np.unique(array) if value not in known]
        if others:
            few = ", ".join(map(str, others[:_FEW])) + (", …" if len(others) > _FEW else "")
            return f"a trimap has only the values 0, 128 and 255, but this one also has {few}"
    return None


def decode_all(path: Path) -> None:
    """Decode a picture to its end, because OpenCV before 5 does not refuse a truncated file.

    Raises:
        GFMError: The file is truncated or damaged.
    """
    check_file(path)
    if is_packed(path):
        return  # the size of an array is checked when it is mapped
    try:
        with Image.open(path) as image:
            # JPEG can decode an eighth of the pixels, which still reads all of the file.
            image.draft(image.mode, (image.width // 8, image.height // 8))
            image.load()
    except Exception as error:  # Pillow's decoders may raise anything at an odd file
        text = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise GFMError(f"cannot read {path}: truncated or damaged ({text})") from error


def _files(groups: Iterable[Group]) -> list[Path]:
    """Return the files of groups that exist; a link may lead nowhere."""
    return [path for group in groups for path, _ in group.files if path.is_file()]


def _fingerprint(groups: Iterable[Group]) -> str:
    return fingerprint_of_files(sorted(_files(groups)))


def check(roots: Roots, num_workers: int | None = None) -> list[str]:
    """Print every problem of the datasets, and what they hold.

    Args:
        roots: Roots of the datasets.
        num_workers: Number of processes; ``None`` means one per core.

    Returns:
        The problems, one line for each.

    Raises:
        GFMError: A worker was killed.
    """
    problems: list[str] = []
    groups: list[Group] = []
    for folders in parts(roots):
        found, faults = pair(folders)
        groups += found
        problems += faults
    with Progress(len(groups), "check") as bar:
        for problem in problems:
            bar.print(problem)
        for outcome in map_unordered(inspect, groups, num_workers or num_cores()):
            bar.advance()
            faults = outcome.result or []
            if outcome.error:
                faults = [f"{outcome.item}: {outcome.error}"]
            for fault in faults:
                bar.print(fault)
            problems += faults
    _summarise(roots, groups)
    return problems


def _summarise(roots: Roots, groups: list[Group]) -> None:
    for root in (roots.photos, roots.bg20k, roots.coco):
        if root is None:
            continue
        own = [group for group in groups if root in group.files[0][0].parents]
        counts: dict[Path, int] = {}
        size = 0
        for path in _files(own):
            folder = path.parent.relative_to(root)
            counts[folder] = counts.get(folder, 0) + 1
            size += path.stat().st_size
        text = ", ".join(f"{folder} {count:,}" for folder, count in counts.items()) or "nothing"
        print_ = console().print
        print_(
            f"{root}: {text}; {decimal(size)}, fingerprint {_fingerprint(own)}",
            highlight=False,
            markup=False,
        )
