"""Finds the photos and clips given as files, folders, patterns or standard input."""

import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

from gfm.data.images import PICTURE_SUFFIXES
from gfm.errors import GFMError
from gfm.inference.earlier_results import find_earlier_results
from gfm.inference.video.codecs import SUFFIXES as CLIP_SUFFIXES
from gfm.system.console import console
from gfm.system.files import check_name

STDIN = Path("-")
"""Path that stands for standard input."""

HEIC_SUFFIXES = (".heic", ".heif", ".hif")

_SUFFIXES = {*PICTURE_SUFFIXES, *HEIC_SUFFIXES, *CLIP_SUFFIXES}  # in folders
_RAW = {".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".pef", ".raf", ".rw2", ".srw"}


class Source(NamedTuple):
    """A photo or a clip, and the name of its results.

    Attributes:
        path: Path of the file, or :data:`STDIN`.
        name: Name without suffix, preceded by the sub-folders below a given folder or pattern.
    """

    path: Path
    name: Path

    @property
    def is_clip(self) -> bool:
        """Whether the suffix is that of a clip."""
        return self.path.suffix.lower() in CLIP_SUFFIXES

    def __str__(self) -> str:
        return "standard input" if self.path == STDIN else str(self.path)


class Failure(NamedTuple):
    """Why some files have no results."""

    text: str
    num_files: int = 1


def list_failures(failures: Iterable[Failure]) -> None:
    """Print why files have no results."""
    for failure in failures:
        console().print(f"failed: {failure.text}")


def count_files(failures: Iterable[Failure]) -> int:
    """Return how many files have no results."""
    return sum(failure.num_files for failure in failures)


@dataclass
class Inputs:
    """The files found for the inputs of a command.

    Attributes:
        sources: Photos and clips, each once.
        failures: Files and folders that cannot be read.
        left_out: Number of files in folders that are left out, by suffix or kind.
    """

    sources: list[Source] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def find_inputs(inputs: Sequence[str], out: Path) -> Inputs:
    """Find photos and clips in the given order; folders are sorted by name.

    Inputs are files, folders (searched recursively), patterns such as ``'photos/**/*.jpg'``, or
    ``-`` for standard input. In folders and patterns, results of earlier commands, such as those in
    ``out``, are skipped.

    Raises:
        GFMError: An input does not exist.
    """
    found = Inputs()
    entries: dict[Path, Source] = {}
    named = set()
    resolve = cache(os.path.realpath)
    for text in inputs:
        num_failures = len(found.failures)
        sources, path = list(_expand(text, found)), Path(text)
        if not sources and len(found.failures) == num_failures:
            found.failures.append(Failure(f"no photos or clips in {text}"))
        for source in sources:
            entry = Path(resolve(source.path.parent), source.path.name)
            entries.setdefault(entry, source)
            if source.path == path:
                named.add(entry)
    results = find_earlier_results([entry for entry in entries if entry not in named], out)
    if results:
        found.left_out["results of earlier commands"] = len(results)
    found.sources = [source for entry, source in entries.items() if entry not in results]
    if not found.sources and not found.failures:
        found.failures.append(Failure(f"only earlier results in {', '.join(inputs)}"))
    return found


def _expand(text: str, found: Inputs) -> Iterator[Source]:
    """Yield the sources of an input, and record in ``found`` what cannot be used."""
    path = Path(text)
    if text == "-":
        yield Source(STDIN, Path("stdin"))
    elif os.path.isdir(text):
        yield from _name_below(path, _walk(path, found), found)
    elif os.path.exists(text):
        yield from _name_below(path.parent, [path], found)
    elif glob.has_magic(text):
        yield from _name_below(*_match(text), found)
    else:
        check_name(text)
        raise GFMError(f"no file or folder {text}")


def _name_below(root: Path, paths: Iterable[Path], found: Inputs) -> Iterator[Source]:
    for path in paths:
        try:
            check_name(path)
            if path.suffix.lower() in _RAW:  # Pillow would read the small preview
                raise GFMError(f"cannot read {path}: raw; convert it to TIFF or JPEG")
        except GFMError as error:
            found.failures.append(Failure(str(error)))
        else:
            yield Source(path, path.relative_to(root).with_suffix(""))


def _walk(folder: Path, found: Inputs) -> Iterator[Path]:
    """Yield the visible photos and clips of a folder and its sub-folders, each folder once."""

    def record(error: OSError) -> None:
        found.failures.append(Failure(f"cannot read {error.filename}: {error.strerror}"))

    visited = set()
    for parent, folders, names in os.walk(folder, onerror=record, followlinks=True):
        folders[:] = sorted(name for name in folders if name[0] != ".")
        if (place := os.path.realpath(parent)) in visited:  # links may form cycles
            folders.clear()
            continue
        visited.add(place)
        for name in sorted(name for name in names if name[0] != "."):
            path = Path(parent, name)
            if path.suffix.lower() in _SUFFIXES:
                yield path
            else:
                found.left_out[path.suffix.lower() or "without suffix"] += 1


def _match(pattern: str) -> tuple[Path, list[Path]]:
    """Return the files that match a pattern, and the folder above its first wildcard.

    Brackets in the name of an existing folder are part of the name.
    """
    parts, fixed = Path(pattern).parts, 0
    while fixed < len(parts) - 1 and (
        not glob.has_magic(parts[fixed]) or Path(*parts[: fixed + 1]).is_dir()
    ):
        fixed += 1
    root, rest = Path(*parts[:fixed]), os.path.join(*parts[fixed:])
    for wildcards in (rest, rest.replace("[", "[[]")):
        paths = [root / name for name in glob.glob(wildcards, root_dir=root, recursive=True)]
        if paths := sorted(path for path in paths if path.is_file()):
            return root, paths
    raise GFMError(f"no file matches {pattern}")
