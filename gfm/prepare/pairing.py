"""Pairs the files of folders by name, and reports those left out or without a partner."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gfm.data.images import SUFFIXES
from gfm.data.listing import find_suffix, list_pictures
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
    unread = {unicodedata.normalize("NFC", path.stem): path for path in _unread(folder.path)[::-1]}
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


def _unread(folder: Path) -> list[Path]:
    """List the visible files of a folder whose formats are not supported."""
    paths = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    return [path for path in paths if path.suffix.lower() not in SUFFIXES and path.is_file()]


def left_out(folders: Sequence[Folder]) -> list[str]:
    """Return notes on the files and sub-folders that are not read."""
    notes = []
    checked = {folder.path for folder in folders}
    for path in sorted(checked):
        if not path.is_dir():
            continue
        kinds = Counter(file.suffix.lower() or "without suffix" for file in _unread(path))
        if kinds:
            text = ", ".join(f"{count:,} {suffix}" for suffix, count in sorted(kinds.items()))
            notes.append(f"{path}: files that are not read: {text}")
        for child in sorted(path.iterdir()):
            is_ancestor = any(child == p or child in p.parents for p in checked)
            found = {} if is_ancestor or not child.is_dir() else list_pictures(child)
            if found:
                text = f"{sum(map(len, found.values())):,} pictures"
                notes.append(f"{path}: the sub-folder {child.name} is not read ({text})")
    return notes
