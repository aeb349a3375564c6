"""Folders of the published datasets to typed paths; every message about missing files.

::

    AM-2k/   train/       original mask [fg bg original_denoise fg_denoise]
             validation/  original mask [trimap]
    BG-20k/  train [train_denoise] testval
    COCO/    train

Files belong together by stem, whatever their suffix. Folders in brackets are made by the
preparation commands and needed only by the options that name them. Another dataset of photos
with mattes gives its own names in :class:`Folders`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gfm.data.images import SUFFIXES
from gfm.errors import GFMError

Foreground = Literal["image", "closed_form"]

# What leads out of a missing folder.
_REMEDY = {
    "foreground": "track.foreground=image, or make it with gfm prepare foregrounds",
    "background": "track.foreground=image, or make it with gfm prepare foregrounds",
    "denoised_foreground": "track.denoise=false, or make it with gfm prepare denoise",
    "denoised_image": "track.denoise=false, or make it with gfm prepare denoise",
}


@dataclass(frozen=True)
class Folders:
    """Where a dataset of photos with mattes keeps what, below its root; by default as AM-2k does.

    Attributes:
        option: the override that names the root, for messages.
        train_image: photos.
        train_alpha: their mattes.
        foreground: colours of the foreground alone.
        background: colours of the background alone.
        denoised_image: the photos without noise.
        denoised_foreground: the foregrounds without noise.
        labels: what ``gfm prepare pack`` derives from the mattes, a sub-folder for each kind.
        validation_image: photos.
        validation_alpha: their mattes.
        validation_trimap: their trimaps; empty where there are none.
    """

    option: str = "paths.am2k"
    train_image: str = "train/original"
    train_alpha: str = "train/mask"
    foreground: str = "train/fg"
    background: str = "train/bg"
    denoised_image: str = "train/original_denoise"
    denoised_foreground: str = "train/fg_denoise"
    labels: str = "train/labels"
    validation_image: str = "validation/original"
    validation_alpha: str = "validation/mask"
    validation_trimap: str = "validation/trimap"


AM2K = Folders()


@dataclass(frozen=True)
class Roots:
    """Where the datasets lie; ``None`` where a run has not been told.

    Attributes:
        photos: AM-2k, or another dataset of photos with mattes.
        bg20k: BG-20k.
        coco: MS COCO.
        folders: of the photos.
    """

    photos: Path
    bg20k: Path | None = None
    coco: Path | None = None
    folders: Folders = AM2K

    def __post_init__(self) -> None:
        for name in ("photos", "bg20k", "coco"):
            value = getattr(self, name)
            object.__setattr__(self, name, value if value is None else Path(value))

    def find(self) -> "Roots":
        """The roots themselves; a source that has to make its files does so here."""
        return self

    def validation(self) -> list["Photo"]:
        """See :func:`validation_photos`."""
        return validation_photos(self.photos, self.folders)


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
        labels: of a packed training photo, by kind; see :mod:`gfm.prepare.pack`.
    """

    name: str
    image: Path
    alpha: Path
    trimap: Path | None = None
    foreground: Path | None = None
    background: Path | None = None
    denoised: Path | None = None
    labels: Mapping[str, Path] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Scene:
    """A background picture, and the same without noise where there is one."""

    image: Path
    denoised: Path | None = None


def pictures(folder: Path) -> dict[str, list[Path]]:
    """Pictures of a folder by stem, sorted; hidden files do not count. Empty where it is missing.

    A stem should have one picture; :func:`files_by_stem` insists.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
            found.setdefault(path.stem, []).append(path)
    return found


def files_by_stem(folder: Path, remedy: str | None) -> dict[str, Path]:
    """Pictures of a folder by stem, sorted.

    Args:
        folder: to list.
        remedy: the override to name where it is missing or empty; ``None`` where it may be.

    Raises:
        GFMError: the folder is missing or holds no picture, or two of one stem.
    """
    if remedy and not folder.is_dir():
        raise GFMError(f"no folder {folder}: set {remedy}")
    found = pictures(folder)
    if remedy and not found:
        raise GFMError(f"no pictures ({', '.join(SUFFIXES)}) in {folder}: set {remedy}")
    for paths in found.values():
        if len(paths) > 1:
            names = " and ".join(path.name for path in paths)
            raise GFMError(f"{folder} holds {names}, which go by one name: remove all but one")
    return {stem: path for stem, (path,) in found.items()}


def partner(files: dict[str, Path], stem: str, needed_by: Path) -> Path:
    """The file of that stem; else a GFMError that names the file which needs it."""
    if stem not in files:
        folder = next(iter(files.values())).parent
        raise GFMError(f"no picture named {stem} in {folder}: add it, or remove {needed_by}")
    return files[stem]


def _photos(root: Path, folders: Folders, alpha: str, partners: Mapping[str, str]) -> list[Photo]:
    """Photos by their mattes; ``partners`` maps fields of ``Photo`` to fields of ``Folders``."""
    here = f"{folders.option}=<folder that holds {getattr(folders, alpha)}>"
    alphas = files_by_stem(root / getattr(folders, alpha), here)
    files = {
        name: files_by_stem(root / getattr(folders, folder), _REMEDY.get(folder, here))
        for name, folder in partners.items()
    }
    labels = {} if alpha == "validation_alpha" else _labels(root / folders.labels)
    return [
        Photo(
            stem,
            alpha=path,
            labels={kind: partner(found, stem, path) for kind, found in labels.items()},
            **{name: partner(files[name], stem, path) for name in files},
        )
        for stem, path in alphas.items()
    ]


def _labels(folder: Path) -> dict[str, dict[str, Path]]:
    """Files of each kind by stem."""
    kinds = sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
    return {path.name: files_by_stem(path, "paths to a folder packed anew") for path in kinds}


def training_photos(
    root: Path, foreground: Foreground, is_denoised: bool, folders: Folders = AM2K
) -> list[Photo]:
    """Training photos in order of their names.

    Args:
        root: of AM-2k or another dataset of photos with mattes.
        foreground: ``closed_form`` needs foregrounds and backgrounds.
        is_denoised: needs denoised foregrounds, or photos with ``foreground="image"``.
        folders: names.

    Raises:
        GFMError: a folder or a file's partner is missing.
    """
    partners = {"image": "train_image"}
    if foreground == "closed_form":
        partners |= {"foreground": "foreground", "background": "background"}
    if is_denoised:
        is_closed = foreground == "closed_form"
        partners["denoised"] = "denoised_foreground" if is_closed else "denoised_image"
    return _photos(root, folders, "train_alpha", partners)


def validation_photos(root: Path, folders: Folders = AM2K) -> list[Photo]:
    """Validation photos in order of their names; trimaps where the folder exists.

    Raises:
        GFMError: a folder or a file's partner is missing.
    """
    partners = {"image": "validation_image"}
    if folders.validation_trimap and (root / folders.validation_trimap).is_dir():
        partners["trimap"] = "validation_trimap"
    return _photos(root, folders, "validation_alpha", partners)


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
    denoised = files_by_stem(root / "train_denoise", _REMEDY["denoised_image"])
    return [Scene(path, partner(denoised, stem, path)) for stem, path in images.items()]
