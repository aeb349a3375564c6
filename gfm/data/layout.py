"""Finds the files of the published datasets, and of others in the same layout.

::

    AM-2k/   train/       original mask [fg bg original_denoise fg_denoise]
             validation/  original mask [trimap]
    BG-20k/  train [train_denoise] testval
    COCO/    train

Files with the same stem belong together, whatever their suffixes. Folders in brackets are made by
the ``gfm prepare`` commands and are needed only by the options that name them. :class:`Folders`
sets different names for other datasets of photos with mattes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from gfm.data.listing import files_by_stem, find_partner, warn_of_unpaired
from gfm.errors import GFMError

Foreground = Literal["image", "closed_form"]
Backgrounds = Literal["bg20k", "coco"]

# The fix that an error names if a folder, or one of its files, is missing.
_REMEDY = {
    "foreground": "track.foreground=image, or make it with gfm prepare foregrounds",
    "background": "track.foreground=image, or make it with gfm prepare foregrounds",
    "denoised_foreground": "track.denoise=false, or make it with gfm prepare denoise",
    "denoised_image": "track.denoise=false, or make it with gfm prepare denoise",
    "validation_trimap": "data.source.folders.validation_trimap=, or make it with gfm prepare "
    "trimaps",
    "labels": "paths to a newly packed folder",
}


@dataclass(frozen=True)
class Folders:
    """Names of the folders of a dataset of photos with mattes, relative to its root.

    The defaults are those of AM-2k.

    Attributes:
        option: Override that sets the root, for messages.
        train_image: Training photos.
        train_alpha: Their mattes.
        foreground: Colours of the foreground alone.
        background: Colours of the background alone.
        denoised_image: The photos without noise.
        denoised_foreground: The foregrounds without noise.
        labels: Labels that ``gfm prepare pack`` derives from the mattes, one sub-folder per kind.
        validation_image: Validation photos.
        validation_alpha: Their mattes; an empty string if the dataset has no validation photos.
        validation_trimap: Their trimaps; empty if there are none.
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

DENOISED_SCENES = "train_denoise"
"""Folder of the denoised backgrounds, relative to the root of the backgrounds."""


def as_path(value: Any, option: str, is_needed: bool = False) -> Path | None:
    """Return the value of an option as a path, or ``None`` if it is not set.

    Args:
        value: Value of the option.
        option: Name of the option, for the message.
        is_needed: Whether the option must be set.

    Raises:
        GFMError: The value is not a string (such as ``1`` or ``[a]`` on a command line), or it is
            required but not set.
    """
    if value is None and not is_needed:
        return None
    if not isinstance(value, str | Path):
        shown = "null" if value is None else value
        raise GFMError(f"{option}={shown}: give a path, in quotes where it looks like a number")
    return Path(value)


@dataclass(frozen=True)
class Roots:
    """Root folders of the datasets; ``None`` for those that are not set.

    Attributes:
        photos: AM-2k, or another dataset of photos with mattes.
        bg20k: BG-20k.
        coco: MS COCO.
        folders: Names of the folders of the photos.
    """

    photos: Path
    bg20k: Path | None = None
    coco: Path | None = None
    folders: Folders = AM2K

    def __post_init__(self) -> None:
        for name in ("photos", "bg20k", "coco"):
            option = self.folders.option if name == "photos" else f"paths.{name}"
            is_needed = name == "photos"
            object.__setattr__(self, name, as_path(getattr(self, name), option, is_needed))

    def find(self) -> "Roots":
        """Return the roots unchanged; other sources may create files here."""
        return self

    def training(self, foreground: Foreground, is_denoised: bool) -> list["Photo"]:
        """List the training photos, sorted by name.

        Args:
            foreground: ``closed_form`` requires files of foregrounds and backgrounds.
            is_denoised: Whether to require denoised foregrounds, or denoised photos with
                ``foreground="image"``.

        Raises:
            GFMError: A folder, or the partner of a file, is missing.
        """
        partners = {"image": "train_image"}
        if foreground == "closed_form":
            partners |= {"foreground": "foreground", "background": "background"}
        if is_denoised:
            is_closed = foreground == "closed_form"
            partners["denoised"] = "denoised_foreground" if is_closed else "denoised_image"
        return self._list("train_alpha", partners)

    def validation(self) -> list["Photo"]:
        """List the validation photos, sorted by name, with trimaps if their folder exists.

        Raises:
            GFMError: A folder, or the partner of a file, is missing.
        """
        if not self.folders.validation_alpha:
            return []
        partners = {"image": "validation_image"}
        trimaps = self.folders.validation_trimap
        if trimaps and (self.photos / trimaps).is_dir():
            partners["trimap"] = "validation_trimap"
        return self._list("validation_alpha", partners)

    def scenes(self, name: Backgrounds, is_denoised: bool = False) -> list["Scene"]:
        """List the backgrounds of a dataset; see :func:`scenes`."""
        return scenes(getattr(self, name), f"paths.{name}", is_denoised)

    def label_folders(self) -> list[Path]:
        """List the folders of the labels of a packed dataset, one for each kind."""
        folder = self.photos / self.folders.labels
        if not self.folders.labels or not folder.is_dir():
            return []
        return sorted(path for path in folder.iterdir() if path.is_dir())

    def _list(self, alpha: str, partners: Mapping[str, str]) -> list["Photo"]:
        """List photos by their mattes.

        ``alpha`` is a field of ``Folders``; ``partners`` maps fields of ``Photo`` to such fields.
        """
        root, folders = self.photos, self.folders
        here = f"{folders.option}=<folder that holds {getattr(folders, alpha)}>"
        alphas = files_by_stem(root / getattr(folders, alpha), here)
        files = {
            name: files_by_stem(root / getattr(folders, folder), _REMEDY.get(folder, here))
            for name, folder in partners.items()
        }
        warn_of_unpaired(files["image"], alphas, root / getattr(folders, alpha))
        kinds = [] if alpha == "validation_alpha" else self.label_folders()
        labels = {kind.name: files_by_stem(kind, _REMEDY["labels"]) for kind in kinds}
        return [
            Photo(
                stem,
                alpha=path,
                labels={
                    kind: find_partner(found, stem, path, _REMEDY["labels"])
                    for kind, found in labels.items()
                },
                **{  # type: ignore[arg-type]
                    name: find_partner(files[name], stem, path, _REMEDY.get(folder))
                    for name, folder in partners.items()
                },
            )
            for stem, path in alphas.items()
        ]


@dataclass(frozen=True)
class Photo:
    """The files of a photo: picture, matte and optional ones.

    Attributes:
        name: Common stem of the files.
        image: The photo.
        alpha: Its matte.
        trimap: Its trimap, if there is one; for validation photos only.
        foreground: Colours of the foreground alone.
        background: Colours of the background alone.
        denoised: The foreground without noise, or the photo where foregrounds are not used.
        labels: Labels of a packed training photo by kind; see :mod:`gfm.prepare.pack`.
        scene: Background for a validation photo that is a cut-out, whose own background is unknown.
        dataset: Name of the dataset if it was added to the main one; see :mod:`gfm.data.mixture`.
    """

    name: str
    image: Path
    alpha: Path
    trimap: Path | None = None
    foreground: Path | None = None
    background: Path | None = None
    denoised: Path | None = None
    labels: Mapping[str, Path] = field(default_factory=dict, hash=False)
    scene: Path | None = None
    dataset: str = ""

    @property
    def is_cutout(self) -> bool:
        """Whether one file holds the colours of the foreground and, as its opacity, the matte."""
        return self.image == self.alpha


@dataclass(frozen=True)
class Scene:
    """The files of a background: the picture, and a denoised copy if there is one."""

    image: Path
    denoised: Path | None = None


class Datasets(Protocol):
    """Photos with mattes, and backgrounds."""

    def training(self, foreground: Foreground, is_denoised: bool) -> list[Photo]:
        """List the photos to train on."""

    def validation(self) -> list[Photo]:
        """List the photos to validate on; an empty list lets training photos be held out."""

    def scenes(self, name: Backgrounds, is_denoised: bool = False) -> list[Scene]:
        """List backgrounds."""


def scene_folder(root: Path) -> Path:
    """Return the folder that holds the background pictures of a root: ``train``, or the root."""
    return root / "train" if (root / "train").is_dir() else root


def scenes(
    root: Path | None, option: str, is_denoised: bool = False, is_for_track: bool = True
) -> list[Scene]:
    """List the pictures of :func:`scene_folder`, sorted by name.

    Args:
        root: Root of BG-20k or COCO, or any folder of pictures.
        option: Override that sets the root, for messages.
        is_denoised: Whether to require the same picture in ``train_denoise``.
        is_for_track: Whether the track needs them; if not, cut-outs need them with any track.

    Raises:
        GFMError: The root is not set, or a folder or the partner of a file is missing.
    """
    if root is None:
        what = "this track needs" if is_for_track else "cut-outs need"
        raise GFMError(f"{what} background pictures: set {option}=<folder>")
    other = ", or track=ori" if is_for_track else ""
    images = files_by_stem(scene_folder(root), f"{option}=<folder of backgrounds>{other}")
    if not is_denoised:
        return [Scene(path) for path in images.values()]
    remedy = _REMEDY["denoised_image"]
    denoised = files_by_stem(root / DENOISED_SCENES, remedy)
    return [
        Scene(path, find_partner(denoised, stem, path, remedy)) for stem, path in images.items()
    ]
