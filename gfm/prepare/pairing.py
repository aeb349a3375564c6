"""Pairs the files of folders by name, and reports those left out or without a partner."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gfm.data.listing import find_suffix, list_folders, list_pictures, list_unread
from gfm.prepare.content import Role, shorten

_AFFIX = re.compile(r"[-_. ]*(mask|matte|alpha|pha|gt|label|trimap|image|img|photo|rgb|original)?$")


@dataclass(frozen=True)
class Folder:
    """A folder of pictures.

    Attributes:
        path: Path of the folder.
        role: Role of its pictures.
        is_needed: Whether a missing folder is a problem.
        suffix: Suffix that its pictures add to the names of their photos; pictures without it are
            left out.
        excluded: Suffix of the names of pictures that are left out.
    """

    path: Path
    role: Role = "layer"
    is_needed: bool = False
    suffix: str = ""
    excluded: str = ""

    def list_pictures(self) -> dict[str, list[Path]]:
        """List the pictures by the stems of their photos."""
        return {
            stem.removesuffix(self.suffix): paths
            for stem, paths in list_pictures(self.path).items()
            if stem.endswith(self.suffix) and not (self.excluded and stem.endswith(self.excluded))
        }


@dataclass(frozen=True)
class Group:
    """Pictures that belong together and must have the same size."""

    files: tuple[tuple[Path, Role], ...]

    def __str__(self) -> str:
        return str(self.files[0][0])


def pair(folders: Sequence[Folder]) -> tuple[list[Group], list[str]]:
    """Group the pictures of folders by name, and find the problems with their names."""
    listed = {folder: folder.list_pictures() for folder in folders}
    problems = [
        f"{folder.path}: {'no pictures' if folder.path.is_dir() else 'no such folder'}"
        for folder, found in listed.items()
        if not found and folder.is_needed
    ]
    listed = {folder: found for folder, found in listed.items() if found}
    stems = sorted(set().union(*listed.values()))
    mattes, photos = (
        [stem for folder, found in listed.items() if folder.role == role for stem in found]
        for role in ("alpha", "photo")
    )
    suffix = find_suffix(mattes, photos)
    if suffix:
        problems.append(
            f"{folders[0].path}: mattes are named like their photos and {suffix}: rename them, or "
            f"set data=pairs data.alpha_suffix={suffix}"
        )
    for folder, found in listed.items():
        lacking = [] if suffix else [stem for stem in stems if stem not in found]
        if lacking:
            strays = [stem for stem in found if any(stem not in other for other in listed.values())]
            problems.append(f"{folder.path}: {_describe(folder, lacking, strays, len(stems))}")
        for paths in found.values():
            if len(paths) > 1:
                names = " and ".join(path.name for path in paths)
                problems.append(f"{folder.path}: {names} have the same name: remove all but one")
    groups = [
        Group(tuple((p, f.role) for f, found in listed.items() for p in found.get(stem, [])))
        for stem in stems
    ]
    return groups, problems


def _describe(folder: Folder, lacking: list[str], strays: list[str], total: int) -> str:
    """Describe what a folder lacks, with the files that it has instead."""
    near = {_simplify(stem): stem for stem in strays}
    unread = {
        unicodedata.normalize("NFC", path.stem): path for path in list_unread(folder.path)[::-1]
    }
    names = []
    for stem in lacking:
        if stem in unread:
            names.append(f"{stem} ({unread[stem].name} is not supported: convert it to PNG)")
        elif _simplify(stem) in near:
            names.append(f"{stem} (is it {near[_simplify(stem)]}? rename it)")
        else:
            names.append(stem)
    return f"lacks {len(lacking):,} of {total:,} pictures: {shorten(names)}"


def _simplify(stem: str) -> str:
    return _AFFIX.sub("", stem.casefold())


def left_out(folders: Sequence[Folder], roots: Iterable[Path]) -> list[str]:
    """Return notes on files that are not read, and on folders of pictures that are not.

    Args:
        folders: Folders that are read.
        roots: Roots of the datasets, whose other folders are reported down to the second level.
    """
    notes = []
    read = {folder.path for folder in folders if folder.path.is_dir()}
    for path in sorted(read):
        kinds = Counter(file.suffix.lower() or "without suffix" for file in list_unread(path))
        if kinds:
            text = ", ".join(f"{count:,} {suffix}" for suffix, count in sorted(kinds.items()))
            notes.append(f"{path}: files that are not read: {text}")
    upper = {path for root in roots if root.is_dir() for path in (root, *list_folders(root))}
    needed = {path for folder in read for path in (folder.resolve(), *folder.resolve().parents)}
    for child in sorted({child for path in read | upper for child in list_folders(path)}):
        found = {} if child.resolve() in needed else list_pictures(child)
        if found:
            count = sum(map(len, found.values()))
            text = f"{count:,} picture{'s' if count > 1 else ''}"
            notes.append(f"{child.parent}: the sub-folder {child.name} is not read ({text})")
    return notes
