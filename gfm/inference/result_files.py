"""Names the results of photos and clips, and finds those that exist or must not be written."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from gfm.errors import GFMError
from gfm.inference.heic import enable_heic
from gfm.inference.input_files import Failure, Inputs, Source, list_failures
from gfm.inference.outputs import Output
from gfm.inference.video.codecs import ClipOptions
from gfm.system.console import console
from gfm.system.extras import import_optional

_DEFAULT = ClipOptions()


def result_path(out: Path, output: Output, source: Source, clips: ClipOptions = _DEFAULT) -> Path:
    """Return the path of a result, such as ``out/alpha/<sub-folders>/<name>.png`` or ``.mkv``."""
    name = out / output / source.name
    suffix = clips.format_of(output).suffix if source.is_clip else ".png"
    return name.with_name(f"{name.name}{suffix}")


def find_missing(
    sources: Sequence[Source],
    out: Path,
    outputs: Sequence[Output],
    clips: ClipOptions = _DEFAULT,
) -> list[Source]:
    """Return the photos and clips for which a result is missing."""
    return [
        source
        for source in sources
        if not all(_exists(result_path(out, o, source, clips)) for o in outputs)
    ]


def _exists(path: Path) -> bool:
    return os.path.isfile(path) or (path.name.endswith("_frames") and path.is_dir())


def select_sources(
    found: Inputs,
    out: Path,
    outputs: Sequence[Output],
    clips: ClipOptions,
    overwrite: bool,
    others: Iterable[Path] = (),
) -> tuple[list[Source], list[Failure]]:
    """Select the photos and clips to matte, and print how many files are not.

    Args:
        found: Photos and clips.
        out: Folder for the results.
        outputs: Outputs of each photo and clip.
        clips: Options for clips.
        overwrite: Whether to replace existing results.
        others: Further inputs, which may be missing.

    Returns:
        The photos and clips to matte, and why others cannot be.

    Raises:
        GFMError: Something cannot be matted, and nothing else is left to do.
    """
    sources, conflicts = reject_conflicts(found.sources, out, outputs, clips, others)
    missing = sources if overwrite else find_missing(sources, out, outputs, clips)
    todo, unreadable = reject_unreadable(missing)
    failures = [*found.failures, *conflicts, *unreadable]
    if found.left_out:
        parts = [f"{count:,} {kind}" for kind, count in found.left_out.most_common()]
        console().print(f"left out: {', '.join(parts)}", highlight=False, markup=False)
    if num_existing := len(sources) - len(missing):
        console().print(f"{num_existing:,} of {len(sources):,} exist already", highlight=False)
    if failures and not todo:
        if len(failures) == 1:
            raise GFMError(failures[0].text)
        list_failures(failures)
        raise GFMError(f"{len(failures):,} failed (listed above)")
    return todo, failures


def reject_unreadable(sources: Sequence[Source]) -> tuple[list[Source], list[Failure]]:
    """Separate the photos and clips that need a package which is not installed."""
    readable, unreadable = [], dict[str, list[Source]]()
    for source in sources:
        try:
            if source.is_clip:
                import_optional("av", "video", "video")
            else:
                enable_heic(source.path)
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
    out: Path,
    outputs: Sequence[Output],
    clips: ClipOptions = _DEFAULT,
    others: Iterable[Path] = (),
) -> tuple[list[Source], list[Failure]]:
    """Separate photos and clips with the same results, or whose results would replace an input.

    Args:
        sources: Photos and clips.
        out: Folder for the results.
        outputs: Outputs of each photo and clip.
        clips: Options for clips.
        others: Further inputs, which may be missing.
    """
    by_result: dict[Path, list[Source]] = {}
    for source in sources:
        by_result.setdefault(result_path(out, outputs[0], source, clips), []).append(source)
    # With their folders, because a folder of frames is replaced as a whole.
    inputs = [
        place for path in (*(s.path for s in sources), *others) for place in (path, path.parent)
    ]
    protected = {_identity(path) for path in inputs} - {None}
    accepted, failures = [], []
    for path, (source, *rest) in by_result.items():
        results = [result_path(out, output, source, clips) for output in outputs]
        replaced = [result for result in results if _identity(result) in protected]
        if rest:
            names = ", ".join(map(str, (source, *rest)))
            text = f"{names}: all have the result {path}; rename all but one"
            failures.append(Failure(text, 1 + len(rest)))
        elif replaced:
            text = f"{source}: its result would replace the input {replaced[0]}; choose another -o"
            failures.append(Failure(text))
        else:
            accepted.append(source)
    return accepted, failures


def _identity(path: Path) -> tuple[int, int] | None:
    """Return the device and inode of a file; ``None`` if it does not exist."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
