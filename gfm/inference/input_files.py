"""Finds the photos and clips given as files, folders, patterns or standard input."""

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
        name: Name without suffix; with the sub-folders below a given folder or pattern.
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
    """Find photos and clips, each once, in the given order; folders are sorted by name.

    Args:
        inputs: Files, folders (searched recursively), patterns such as ``'photos/**/*.jpg'``, or
            ``-`` for standard input.
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
        yield from _name_below(path, _walk(path, out))
    elif path.exists():
        yield Source(path, Path(path.stem))
    elif glob.has_magic(text):
        parts = path.parts
        fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
        yield from _name_below(Path(*parts[:fixed]), _match(text, out))
    else:
        raise GFMError(f"no file or folder {text}")


def _name_below(root: Path, paths: list[Path]) -> Iterator[Source]:
    for path in paths:
        check_name(path)
        yield Source(path, path.relative_to(root).with_suffix(""))


def _walk(folder: Path, out: Path) -> list[Path]:
    """List the visible photos and clips of a folder and its sub-folders except ``out``."""
    found, suffixes = [], (*PHOTO_SUFFIXES, *CLIP_SUFFIXES)
    for parent, folders, names in os.walk(folder):
        place = Path(parent)
        folders[:] = sorted(f for f in folders if f[0] != "." and not _is_same(place / f, out))
        visible = [place / name for name in sorted(names) if name[0] != "."]
        found += [path for path in visible if path.suffix.lower() in suffixes]
    if not found:
        raise GFMError(f"no photos or clips in {folder}: looked for {', '.join(suffixes)}")
    return found


def _match(pattern: str, out: Path) -> list[Path]:
    """List the files that match a pattern, except those in ``out``."""
    paths = [Path(p) for p in sorted(glob.glob(pattern, recursive=True))]
    out = out.resolve()
    found = [path for path in paths if path.is_file() and out not in path.resolve().parents]
    if not found:
        raise GFMError(f"no file matches {pattern}")
    return found


def _is_same(a: Path, b: Path) -> bool:
    return b.exists() and a.samefile(b)
