"""Checks every file of a dataset, so that a damaged one does not end a run after days."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.filesize import decimal

from gfm.data.images import check_size
from gfm.data.layout import DENOISED_SCENES, Roots, scene_folder
from gfm.data.pairs import Pairs
from gfm.errors import GFMError
from gfm.prepare.content import Look, describe, look_at, shorten
from gfm.prepare.duplicates import equal_pairs
from gfm.prepare.pairing import Folder, Group, left_out, pair
from gfm.system.console import console
from gfm.system.cores import num_cores
from gfm.system.files import fingerprint_of_files
from gfm.system.processes import map_unordered
from gfm.system.progress import Progress


@dataclass(frozen=True)
class Part:
    """Folders whose pictures must have the same names, with mattes first.

    Attributes:
        root: Folder of the dataset.
        folders: Its folders.
        swap: Fix if photos and mattes are swapped.
        is_validation: Whether the photos are for validation.
    """

    root: Path
    folders: tuple[Folder, ...]
    swap: str = "swap the two folders"
    is_validation: bool = False


def parts(source: Roots | Pairs) -> list[Part]:
    """Return the parts of a dataset, and of its backgrounds.

    Raises:
        GFMError: The folders of photos and mattes are not found.
    """
    own = _parts_of_pairs(source) if isinstance(source, Pairs) else _parts_of_roots(source)
    return [*own, *_scene_parts(source)]


def _parts_of_roots(roots: Roots) -> Iterator[Part]:
    root, names = roots.photos, roots.folders
    layers = (names.foreground, names.background, names.denoised_image, names.denoised_foreground)
    train = [
        Folder(root / names.train_alpha, "alpha", True),
        Folder(root / names.train_image, "photo", True),
        *(Folder(root / name) for name in layers if name),
        *(Folder(path, "labels") for path in roots.label_folders()),
    ]
    yield Part(root, tuple(train))
    if not names.validation_alpha:
        return
    validation = [
        Folder(root / names.validation_alpha, "alpha", True),
        Folder(root / names.validation_image, "photo", True),
    ]
    if names.validation_trimap:
        validation.append(Folder(root / names.validation_trimap, "trimap"))
    yield Part(root, tuple(validation), is_validation=True)


def _parts_of_pairs(pairs: Pairs) -> Iterator[Part]:
    pairs.check_trimaps()
    for number, folder in enumerate(pairs.parts()):
        root, is_validation = pairs.root or folder, number > 0
        names = pairs.find_folders(folder)
        images, alphas = folder / names.images, folder / names.alphas
        suffix = pairs.alpha_suffix
        if images == alphas and not suffix:
            yield Part(root, (Folder(images, "cutout", True),), is_validation=is_validation)
            continue
        mixed = suffix if images == alphas else ""
        found = [Folder(alphas, "alpha", True, suffix), Folder(images, "photo", True, "", mixed)]
        if names.trimaps:
            found.append(Folder(folder / names.trimaps, "trimap"))
        options = f"set data.images={names.alphas} data.alphas={names.images}"
        yield Part(root, tuple(found), options, is_validation)


def _scene_parts(source: Roots | Pairs) -> Iterator[Part]:
    for root in (source.bg20k, source.coco):
        if root is not None:
            pictures = Folder(scene_folder(root), is_needed=True)
            yield Part(root, (pictures, Folder(root / DENOISED_SCENES)))
            yield Part(root, (Folder(root / "testval"),))


def inspect(group: Group) -> tuple[dict[Path, Look], list[str]]:
    """Inspect the pictures of a group; return the findings, and the problems, one line each."""
    looks: dict[Path, Look] = {}
    problems = []
    alpha = next((path for path, role in group.files if role == "alpha"), None)
    for path, role in group.files:
        try:
            look = looks[path] = look_at(path, role, alpha)
        except GFMError as error:
            problems.append(str(error))
            continue
        if look.fault:
            problems.append(f"{path}: {look.fault}")
    first, *others = looks or [group.files[0][0]]
    for path in others:
        try:
            check_size(path, looks[path].size, str(first), looks[first].size)
        except GFMError as error:
            problems.append(str(error))
    return looks, problems


def check(sources: Sequence[Roots | Pairs], num_workers: int | None = None) -> list[str]:
    """Print all problems of datasets, notes on their content, and a summary.

    Args:
        sources: The datasets, with their backgrounds.
        num_workers: Number of processes; ``None`` means one per core.

    Returns:
        The problems, one line each, without the notes.

    Raises:
        GFMError: A worker was killed, or the folders of photos and mattes are not found.
    """
    found = [part for source in sources for part in parts(source)]
    groups: list[list[Group]] = []
    problems: list[str] = []
    for part in found:
        own, faults = pair(part.folders)
        groups.append(own)
        problems += faults
    notes = left_out(
        [folder for part in found for folder in part.folders], {part.root for part in found}
    )
    _print(problems)
    looks, faults = _look_at([group for own in groups for group in own], num_workers or num_cores())
    problems += faults
    for part, own in zip(found, groups, strict=True):
        seen = [(p, role, looks[p]) for group in own for p, role in group.files if p in looks]
        faults, remarks = describe(seen, part.swap)
        _print(faults)
        problems += faults
        notes += remarks
    faults, remarks = _find_duplicates(found, groups, looks)
    _print(faults)
    _print(f"note: {note}" for note in [*notes, *remarks])
    _summarise(found, groups)
    return problems + faults


def _look_at(groups: Sequence[Group], num_workers: int) -> tuple[dict[Path, Look], list[str]]:
    """Read all files, print the problems, and return the findings and the problems."""
    looks: dict[Path, Look] = {}
    problems: list[str] = []
    with Progress(len(groups), "check") as bar:
        for outcome in map_unordered(inspect, groups, num_workers):
            bar.advance()
            seen, faults = outcome.result or ({}, [f"{outcome.item}: {outcome.error}"])
            looks |= seen
            for fault in faults:
                bar.print(fault)
            problems += faults
    return looks, problems


def _find_duplicates(
    found: Sequence[Part], groups: Sequence[Sequence[Group]], looks: dict[Path, Look]
) -> tuple[list[str], list[str]]:
    """Return problems (photos in both training and validation) and notes (other duplicates)."""
    photos = [
        (part.is_validation, path, look.fingerprint)
        for part, own in zip(found, groups, strict=True)
        for group in own
        for path, role in group.files
        if role in ("photo", "cutout") and (look := looks.get(path)) and look.fingerprint
    ]
    across: list[str] = []
    within: list[str] = []
    for a, b in equal_pairs([fingerprint for _, _, fingerprint in photos]):
        (is_validation, first, _), (is_other, second, _) = photos[a], photos[b]
        (within if is_validation == is_other else across).append(f"{first} = {second}")
    return (
        [f"photos in both training and validation: {shorten(across)}"] if across else [],
        [f"duplicate photos: {shorten(within)}"] if within else [],
    )


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        console().print(line)


def _summarise(found: Sequence[Part], groups: Sequence[Sequence[Group]]) -> None:
    for root in dict.fromkeys(part.root for part in found):
        files = [
            path
            for part, own in zip(found, groups, strict=True)
            for group in own
            for path, _ in group.files
            if part.root == root and path.is_file()  # links may be broken
        ]
        counts = Counter(os.path.relpath(path.parent, root) for path in files)
        text = ", ".join(f"{folder} {count:,}" for folder, count in counts.items()) or "nothing"
        size = decimal(sum(path.stat().st_size for path in files))
        _print([f"{root}: {text}; {size}, fingerprint {fingerprint_of_files(sorted(files))}"])
