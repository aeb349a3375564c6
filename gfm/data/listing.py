"""Lists the pictures of folders; all messages about missing files come from here."""

import os
import unicodedata
import warnings
from collections.abc import Iterable
from pathlib import Path

from gfm.data.images import SUFFIXES
from gfm.errors import GFMError
from gfm.system.files import check_name


def list_pictures(folder: Path) -> dict[str, list[Path]]:
    """List the pictures of a folder by stem, sorted, without hidden files.

    A missing folder gives an empty result. A stem may have several pictures here;
    :func:`files_by_stem` allows only one.

    Raises:
        GFMError: A name is not UTF-8.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
            check_name(path)
            # macOS stores accents as separate characters; Windows and Linux do not.
            found.setdefault(unicodedata.normalize("NFC", path.stem), []).append(path)
    return found


def list_unread(folder: Path) -> list[Path]:
    """List the visible files of a folder whose formats are not supported, sorted."""
    paths = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    return [path for path in paths if path.suffix.lower() not in SUFFIXES and path.is_file()]


def list_folders(folder: Path) -> list[Path]:
    """List the visible sub-folders of a folder that can be read (unlike ``lost+found``), sorted."""
    paths = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    return [path for path in paths if path.is_dir() and os.access(path, os.R_OK | os.X_OK)]


def files_by_stem(folder: Path, remedy: str | None) -> dict[str, Path]:
    """Map the stems of a folder's pictures to their paths, sorted.

    Args:
        folder: Folder to list.
        remedy: Override that an error names if the folder is missing or empty; ``None`` if the
            folder may be missing or empty.

    Raises:
        GFMError: The folder is missing, holds no picture, or holds two with the same stem.
    """
    if remedy and not folder.is_dir():
        raise GFMError(f"no folder {folder}: set {remedy}")
    found = list_pictures(folder)
    if remedy and not found:
        others = sorted({path.suffix.lower() for path in list_unread(folder) if path.suffix})
        only = f", only {', '.join(others)}: convert them, or" if others else ":"
        raise GFMError(f"no pictures ({', '.join(SUFFIXES)}) in {folder}{only} set {remedy}")
    for paths in found.values():
        if len(paths) > 1:
            names = " and ".join(path.name for path in paths)
            raise GFMError(f"{folder} holds {names}, which have the same stem: remove all but one")
    return {stem: path for stem, (path,) in found.items()}


def warn_of_unpaired(images: Iterable[str], alphas: Iterable[str], folder: Path) -> None:
    """Warn of photos without a matte in ``folder``; ``images`` and ``alphas`` are stems."""
    stems = set(images)
    without = sorted(stems - set(alphas))
    if without:
        warnings.warn(
            f"{len(without)} of {len(stems)} photos have no matte in {folder} and are left out, "
            f"for example {without[0]}",
            stacklevel=2,
        )


def find_suffix(mattes: Iterable[str], photos: Iterable[str]) -> str:
    """Return the suffix that the stems of all mattes add to those of photos; empty if none does."""
    mattes, photos = set(mattes), set(photos)
    if mattes <= photos:
        return ""
    first = min(mattes)
    for start in range(len(first) - 1, 0, -1):
        suffix = first[start:]
        if all(m.endswith(suffix) and m.removesuffix(suffix) in photos for m in mattes):
            return suffix
    return ""


def find_partner(
    files: dict[str, Path], stem: str, needed_by: Path, remedy: str | None = None
) -> Path:
    """Return the file with the given stem.

    Args:
        files: The files of a folder by stem.
        stem: Stem of the file.
        needed_by: The file that needs it.
        remedy: Override that an error names if the folder is not essential.

    Raises:
        GFMError: The file does not exist.
    """
    if stem not in files:
        folder = next(iter(files.values())).parent
        for path in list_unread(folder):
            if unicodedata.normalize("NFC", path.stem) == stem:
                raise GFMError(f"{path} is not supported: convert it to PNG, or remove {needed_by}")
        fix = f"set {remedy}" if remedy else f"add it, or remove {needed_by}"
        raise GFMError(f"no picture named {stem} in {folder}: {fix}")
    return files[stem]
