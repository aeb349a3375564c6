"""Finds the photos and clips that a command is given by files, folders, patterns or a pipe."""

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from gfm.errors import GFMError
from gfm.inference.photos import STDIN
from gfm.inference.photos import SUFFIXES as PHOTO_SUFFIXES
from gfm.inference.video.codecs import SUFFIXES as CLIP_SUFFIXES
from gfm.system.files import check_name


class Source(NamedTuple):
    """A photo or a clip, and the name of its results.

    Attributes:
        path: Path of the file, or :data:`gfm.inference.photos.STDIN`.
        name: Name without suffix; for a file in a given folder, with its sub-folders.
    """

    path: Path
    name: Path

    @property
    def is_clip(self) -> bool:
        """Whether the suffix is that of a clip."""
        return self.path.suffix.lower() in CLIP_SUFFIXES

    def __str__(self) -> str:
        return "standard input" if self.path == STDIN else str(self.path)


def find_sources(inputs: Sequence[str], out: Path) -> list[Source]:
    """Find photos and clips, each once, in the given order; those of a folder are sorted by name.

    Args:
        inputs: Files, folders (searched with their sub-folders), patterns such as
            ``'photos/**/*.jpg'``, or ``-`` for standard input.
        out: Folder of results, which is not searched.

    Raises:
        GFMError: An input does not exist or its name is not UTF-8, or the results of two photos or
            two clips would have the same name.
    """
    found: dict[Path, Source] = {}
    for text in inputs:
        for source in _expand(text, out):
            found.setdefault(source.path, source)
    names: dict[tuple[Path, bool], Source] = {}
    for source in found.values():
        # A photo and a clip may share a name, as on phones.
        other = names.setdefault((source.name, source.is_clip), source)
        if other is not source:
            raise GFMError(
                f"the results of {other} and {source} would both be called {source.name}: "
                "rename one, or matte them by two commands with different folders"
            )
    return list(found.values())


def _expand(text: str, out: Path) -> Iterator[Source]:
    path = Path(text)
    check_name(text)
    if text == "-":
        yield Source(STDIN, Path("stdin"))
    elif path.is_dir():
        yield from _walk(path, out)
    elif path.exists():
        yield Source(path, Path(path.stem))
    elif glob.has_magic(text):
        yield from _match(text, out)
    else:
        raise GFMError(f"no file or folder {text}")


def _walk(folder: Path, out: Path) -> Iterator[Source]:
    count, known = 0, (*PHOTO_SUFFIXES, *CLIP_SUFFIXES)
    for parent, folders, files in os.walk(folder):
        place = Path(parent)
        folders[:] = sorted(f for f in folders if f[0] != "." and not _is_same(place / f, out))
        for name in sorted(files):
            path = place / name
            if path.suffix.lower() in known and not name.startswith("."):
                count += 1
                check_name(path)
                yield Source(path, path.relative_to(folder).with_suffix(""))
    if not count:
        raise GFMError(f"no photos or clips in {folder}: looked for {', '.join(known)}")


def _match(pattern: str, out: Path) -> Iterator[Source]:
    """Yield the files of a pattern; names begin at its first part with a wildcard."""
    parts = Path(pattern).parts
    fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    root = Path(*parts[:fixed])
    paths = [Path(p) for p in sorted(glob.glob(pattern, recursive=True))]
    inside = out.resolve()
    count = 0
    for path in paths:
        if path.is_file() and inside not in path.resolve().parents:
            count += 1
            check_name(path)
            yield Source(path, path.relative_to(root).with_suffix(""))
    if not count:
        raise GFMError(f"no file matches {pattern}")


def _is_same(a: Path, b: Path) -> bool:
    return b.exists() and a.samefile(b)
