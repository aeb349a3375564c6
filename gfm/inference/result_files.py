"""Selects what to matte: inputs whose results are missing and would not overwrite other files."""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from gfm.errors import GFMError
from gfm.inference.input_files import (
    HEIC_SUFFIXES,
    STDIN,
    Failure,
    Inputs,
    Source,
    count_files,
    list_failures,
)
from gfm.inference.outputs import Output
from gfm.inference.video.codecs import TIMESTAMPS, ClipOptions
from gfm.system.console import console
from gfm.system.extras import import_optional
from gfm.system.files import ignores_case
from gfm.system.shards import EVERYTHING, Shard


@dataclass(frozen=True)
class ResultFiles:
    """The results that a command writes, and where; existing ones are kept unless ``overwrite``."""

    out: Path
    outputs: Sequence[Output]
    clips: ClipOptions = field(default_factory=ClipOptions)
    overwrite: bool = False

    def of(self, source: Source) -> dict[Output, Path]:
        """Return paths such as ``out/alpha/<sub-folders>/<name>.png``, or ``.mkv`` for a clip."""
        paths: dict[Output, Path] = {}
        for output in self.outputs:
            suffix = self.clips.format_of(output).suffix if source.is_clip else ".png"
            paths[output] = self.out / output / f"{source.name}{suffix}"
        return paths

    def to_write(self, source: Source) -> dict[Output, Path]:
        """Return the paths of :meth:`of` that may be written."""
        return {output: path for output, path in self.of(source).items() if not self.keeps(path)}

    def keeps(self, path: Path) -> bool:
        """Return whether a result exists and must not be replaced."""
        return not self.overwrite and _exists(path)

    def oldest(self, source: Source) -> float:
        """Return when the oldest existing result of a source was written, in seconds since 1970."""
        return min(path.stat().st_mtime for path in self.of(source).values() if _exists(path))


def _exists(result: Path) -> bool:
    """Return whether a result exists; the result of a clip may be a folder of frames."""
    return os.path.isfile(result / TIMESTAMPS if result.name.endswith("_frames") else result)


def select_sources(
    found: Inputs,
    results: ResultFiles,
    weights: Path,
    others: Iterable[Path] = (),
    shard: Shard = EVERYTHING,
) -> tuple[list[Source], list[Failure]]:
    """Return the photos and clips to matte, and the failures; print how many are left out.

    Args:
        found: Photos and clips.
        results: Where the results are written, and whether existing ones are replaced.
        weights: File of the network, which may be missing.
        others: Further inputs of the command, which may be missing.
        shard: Part of the photos and clips to matte.

    Raises:
        GFMError: Some inputs cannot be matted, and no others remain.
    """
    sources, conflicts = reject_conflicts(found.sources, results, [weights, *others], shard)
    num_missing = {source: len(results.to_write(source)) for source in sources}
    existing = {source: n for source, n in num_missing.items() if n < len(results.outputs)}
    todo, unreadable = reject_unreadable(source for source, n in num_missing.items() if n)
    failures = [*found.failures, *conflicts, *unreadable]
    num_sources = len(sources) + count_files(conflicts)
    if found.left_out:
        parts = [f"{count:,} {kind}" for kind, count in found.left_out.most_common()]
        console().print(f"left out: {', '.join(parts)}")
    if shard.count > 1:
        console().print(f"{shard}: {num_sources:,} of {len(found.sources):,} photos and clips")
    if existing:
        _report_existing(existing, num_sources, results, weights)
    if failures and not todo:
        if len(failures) == 1:
            raise GFMError(failures[0].text)
        list_failures(failures)
        raise GFMError(f"{count_files(failures):,} failed (listed above)")
    return todo, failures


def _report_existing(
    existing: Mapping[Source, int], num_sources: int, results: ResultFiles, weights: Path
) -> None:
    """Print how many sources have results, given the number of missing ones for each."""
    num_partial = sum(n > 0 for n in existing.values())
    text = f"{len(existing) - num_partial:,} of {num_sources:,} already exist"
    if num_partial:
        text += f", and {num_partial:,} in part"
    written = _modified(weights)
    if num_older := sum(results.oldest(source) < written for source in existing):
        text += f", {num_older:,} of them older than {weights.name}"
    else:
        text += ", perhaps from other weights"
    num_outdated = sum(results.oldest(source) < _modified(source.path) for source in existing)
    if num_outdated:
        text += f", {num_outdated:,} of them older than their inputs"
    style = "yellow" if num_older or num_outdated else None
    console().print(f"{text}; --overwrite replaces them", style=style)


def _modified(path: Path) -> float:
    """Return when a file was written; 0 if it does not exist."""
    return path.stat().st_mtime if path.is_file() else 0.0


def reject_unreadable(sources: Iterable[Source]) -> tuple[list[Source], list[Failure]]:
    """Separate the photos and clips that need a package that is not installed."""
    readable, unreadable = [], dict[str, list[Source]]()
    for source in sources:
        try:
            if source.is_clip:
                import_optional("av", "video", "video")
            elif source.path.suffix.lower() in HEIC_SUFFIXES:
                import_optional("pillow_heif", "heic", "HEIC")
            readable.append(source)
        except GFMError as error:
            unreadable.setdefault(str(error), []).append(source)
    failures = []
    for text, (first, *rest) in unreadable.items():
        more = f" and {len(rest):,} more" if rest else ""
        failures.append(Failure(f"{first}{more}: {text}", 1 + len(rest)))
    return readable, failures


def reject_conflicts(
    sources: Sequence[Source],
    results: ResultFiles,
    others: Iterable[Path] = (),
    shard: Shard = EVERYTHING,
) -> tuple[list[Source], list[Failure]]:
    """Separate photos and clips that share results, or whose results would overwrite an input.

    Standard input is rejected if it has earlier results, because each time it may be a different
    photo.

    Raises:
        WriteError: Names differ only in case or in how accents are encoded, and the folder of the
            results cannot be written.
    """
    by_result = _group_by_result(sources, results.out)
    is_input = _InputFiles([*(source.path for source in sources), *others])
    accepted, failures = [], []
    for group in shard.of(by_result):
        source = group[0]
        paths = list(results.of(source).values())
        if len(group) > 1:
            fault = f"all would write {paths[0]}; rename all but one"
        elif replaced := next(filter(is_input, paths), None):
            fault = f"its result would overwrite the input {replaced}; choose another -o"
        elif source.path == STDIN and (kept := next(filter(results.keeps, paths), None)):
            fault = f"{kept} exists, perhaps for a different photo; --overwrite replaces it"
        else:
            accepted.append(source)
            continue
        failures.append(Failure(f"{', '.join(map(str, group))}: {fault}", len(group)))
    return accepted, failures


def _group_by_result(sources: Sequence[Source], out: Path) -> list[list[Source]]:
    """Group the photos and clips whose results would be the same files on the disk of ``out``."""
    names = {str(source.name) for source in sources}
    # The disk is examined only if that makes a difference.
    is_folded = len(set(map(_case_key, names))) < len(names) and ignores_case(out)
    key = _case_key if is_folded else str
    groups: defaultdict[tuple[str, bool], list[Source]] = defaultdict(list)
    for source in sources:
        groups[key(str(source.name)), source.is_clip].append(source)
    return list(groups.values())


def _case_key(name: str) -> str:
    """Return a key that all spellings of a name share on a case-insensitive disk."""
    return unicodedata.normalize("NFC", name).casefold()


class _InputFiles:
    """Recognises the inputs of a command and their folders, through links and other paths, too.

    Folders count because a folder of frames is replaced as a whole. There may be a million inputs,
    so they are examined only once a file exists that might be one of them.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths

    def __call__(self, path: Path) -> bool:
        identity = _identity(path)
        return identity is not None and identity in self._identities

    @cached_property
    def _identities(self) -> set[tuple[int, int] | None]:
        return {_identity(path) for path in {*self._paths, *(p.parent for p in self._paths)}}


def _identity(path: Path) -> tuple[int, int] | None:
    """Return the device and inode of a file; ``None`` if it does not exist."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
