"""Folders of the published datasets to typed paths; every message about missing files.

::

    AM-2k/   train/       original mask [fg bg original_denoise fg_denoise]
             validation/  original mask [trimap]
    BG-20k/  train [train_denoise] testval
    COCO/    train

Files belong together by stem, whatever their suffix. Folders in brackets are made by the
preparation commands and needed only by the options that name them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gfm.data.images import SUFFIXES
from gfm.errors import GFMError

Foreground = Literal["image", "closed_form"]

# The override that leads out of a missing folder.
_REMEDY = {
    "fg": "track.foreground=image",
    "bg": "track.foreground=image",
    "fg_denoise": "track.denoise=false",
    "original_denoise": "track.denoise=false",
}


@dataclass(frozen=True)
class Roots:
    """Where the datasets lie; ``None`` where a run has not been told.

    Attributes:
        am2k: AM-2k, or a dataset laid out alike.
        bg20k: BG-20k.
        coco: MS COCO.
    """

    am2k: Path
    bg20k: Path | None = None
    coco: Path | None = None

    def __post_init__(self) -> None:
        for name in ("am2k", "bg20k", "coco"):
            value = getattr(self, name)
            object.__setattr__(self, name, value if value is None else Path(value))

    def find(self) -> "Roots":
        """The roots themselves; a source that has to make its files does so here."""
        return self


@dataclass(frozen=True)
class Photo:
    """A photo with its matte, and what else is known of it.

    Attributes:
        name: the files' common stem.
        image: the photo.
        alpha: its matte.
        trimap: of a validation photo, where there is one.
        foreground: colours of the foreground alone.
        background: colours of the background alone.
        denoised: the foreground, or the photo where foregrounds are not used, without noise.
    """

    name: str
    image: Path
    alpha: Path
    trimap: Path | None = None
    foreground: Path | None = None
    background: Path | None = None
    denoised: Path | None = None


@dataclass(frozen=True)
class Scene:
    """A background picture, and the same without noise where there is one."""

    image: Path
    denoised: Path | None = None


def files_by_stem(folder: Path, remedy: str) -> dict[str, Path]:
    """Pictures of a folder by stem, sorted.

    Args:
        folder: to list.
        remedy: the override to name where it is missing or empty.

    Raises:
        GFMError: the folder is missing or holds no picture.
    """
    if not folder.is_dir():
        raise GFMError(f"no folder {folder}: set {remedy}")
    found = {p.stem: p for p in sorted(folder.iterdir()) if p.suffix.lower() in SUFFIXES}
    if not found:
        raise GFMError(f"no pictures ({', '.join(SUFFIXES)}) in {folder}: set {remedy}")
    return found


def _partner(files: dict[str, Path], stem: str, needed_by: Path) -> Path:
    if stem not in files:
        folder = next(iter(files.values())).parent
        raise GFMError(f"no picture named {stem} in {folder}: add it, or remove {needed_by}")
    return files[stem]


def _photos(folder: Path, partners: dict[str, str]) -> list[Photo]:
    """Photos by their mattes; ``partners`` maps fields of ``Photo`` to sub-folders."""
    here = "paths.am2k=<folder that holds train/ and validation/>"
    alphas = files_by_stem(folder / "mask", here)
    files = {
        field: files_by_stem(folder / name, _REMEDY.get(name, here))
        for field, name in partners.items()
    }
    return [
        Photo(stem, alpha=alpha, **{f: _partner(files[f], stem, alpha) for f in files})
        for stem, alpha in alphas.items()
    ]


def training_photos(root: Path, foreground: Foreground, is_denoised: bool) -> list[Photo]:
    """Photos of ``root/train`` in order of their names.

    Args:
        root: of AM-2k or a dataset laid out alike.
        foreground: ``closed_form`` needs the folders ``fg`` and ``bg``.
        is_denoised: needs ``fg_denoise``, or ``original_denoise`` with ``foreground="image"``.

    Raises:
        GFMError: a folder or a file's partner is missing.
    """
    partners = {"image": "original"}
    if foreground == "closed_form":
        partners |= {"foreground": "fg", "background": "bg"}
    if is_denoised:
        partners["denoised"] = "fg_denoise" if foreground == "closed_form" else "original_denoise"
    return _photos(root / "train", partners)


def validation_photos(root: Path) -> list[Photo]:
    """Photos of ``root/validation`` in order of their names; trimaps where the folder exists.

    Raises:
        GFMError: a folder or a file's partner is missing.
    """
    partners = {"image": "original"}
    if (root / "validation" / "trimap").is_dir():
        partners["trimap"] = "trimap"
    return _photos(root / "validation", partners)


def scenes(root: Path | None, option: str, is_denoised: bool = False) -> list[Scene]:
    """Background pictures of ``root/train`` in order of their names.

    Args:
        root: of BG-20k or COCO.
        option: the override that names the root, for messages.
        is_denoised: each needs its like in ``train_denoise``.

    Raises:
        GFMError: the root is not set, or a folder or a file's partner is missing.
    """
    if root is None:
        raise GFMError(f"this track needs background pictures: set {option}=<folder>")
    images = files_by_stem(root / "train", f"{option}=<folder that holds train/>")
    if not is_denoised:
        return [Scene(path) for path in images.values()]
    denoised = files_by_stem(root / "train_denoise", "track.denoise=false")
    return [Scene(path, _partner(denoised, stem, path)) for stem, path in images.items()]
