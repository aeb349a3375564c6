"""Your own photos: a folder of photos and one of mattes, or a folder of cut-outs.

::

    root/  images  alphas  [trimaps]                    photos with mattes
    root/  *.jpg  alphas                                the same, with the photos in the root
    root/  train/  images  alphas   validation/  …      the same, already split
    root/                                               cut-outs: colours with opacity

The folders are found by the names that datasets give them, or else by their content: mattes are
grey. P3M-500, AIM-500, PPM-100, AM-2k and Distinctions-646 have such a layout.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gfm.data.folder_names import TRAINING, VALIDATION, FolderNames, find_child, find_folders
from gfm.data.images import SUFFIXES
from gfm.data.layout import Backgrounds, Foreground, Photo, Scene, as_path, scenes
from gfm.data.listing import files_by_stem, find_partner, find_suffix, warn_of_unpaired
from gfm.errors import GFMError

_SET_IMAGES = "data.images to the name of the photos' folder"
_SET_ALPHAS = "data.alphas to the name of the mattes' folder"
_NO_TRIMAPS = "data.trimaps=none, or complete the folder with gfm prepare trimaps"


@dataclass(frozen=True)
class Pairs:
    """Photos with mattes in any folders, to train and to evaluate on.

    Attributes:
        root: Folder that holds the others; ``None`` if it is not set.
        images: Name of the folder of photos; ``None`` finds it.
        alphas: Name of the folder of mattes; ``None`` finds it. Photos without a matte are left
            out.
        trimaps: Name of the folder of trimaps; ``None`` finds it, or else derives trimaps from the
            mattes, and ``"none"`` derives them in any case.
        alpha_suffix: Suffix that mattes add to the names of their photos, such as ``_mask``.
        bg20k: BG-20k, or any folder of backgrounds.
        coco: COCO, or any folder of backgrounds.
    """

    root: Path | None
    images: str | None = None
    alphas: str | None = None
    trimaps: str | None = None
    alpha_suffix: str = ""
    bg20k: Path | None = None
    coco: Path | None = None

    def __post_init__(self) -> None:
        for name in ("root", "bg20k", "coco"):
            option = "data.root" if name == "root" else f"paths.{name}"
            object.__setattr__(self, name, as_path(getattr(self, name), option))

    def find(self) -> "Pairs":
        """Return the pairs themselves."""
        return self

    def training(self, foreground: Foreground, is_denoised: bool) -> list[Photo]:
        """List the photos outside of a validation folder, sorted by name.

        Raises:
            GFMError: The root is not set, a folder or the partner of a file is missing, or the
                photos lack files that the options require.
        """
        photos = self._photos(self.parts()[0])
        if is_denoised:
            raise GFMError(f"{self.root} has no denoised photos: set track.denoise=false")
        if foreground == "image":
            return photos
        if not photos[0].is_cutout:
            raise GFMError(f"{self.root} has no foregrounds: set track.foreground=image")
        return [replace(photo, foreground=photo.image) for photo in photos]

    def validation(self) -> list[Photo]:
        """List the photos of a validation folder, sorted by name; none without that folder.

        Raises:
            GFMError: As in :meth:`training`.
        """
        return [photo for folder in self.parts()[1:] for photo in self._photos(folder)]

    def scenes(self, name: Backgrounds, is_denoised: bool = False) -> list[Scene]:
        """List the backgrounds; see :func:`gfm.data.layout.scenes`."""
        return scenes(getattr(self, name), f"paths.{name}", is_denoised)

    def _root(self) -> Path:
        if self.root is None:
            raise GFMError("set data.root=<folder of photos and mattes>")
        if not self.root.is_dir():
            raise GFMError(f"no folder {self.root}: set data.root")
        return self.root

    def _photos(self, folder: Path) -> list[Photo]:
        found = self.find_folders(folder)
        images = files_by_stem(folder / found.images, _SET_IMAGES)
        if found.images == found.alphas and not self.alpha_suffix:
            return self._cutouts(images)
        alphas = files_by_stem(folder / found.alphas, _SET_ALPHAS)
        if self.alpha_suffix:
            alphas = {
                stem.removesuffix(self.alpha_suffix): path
                for stem, path in alphas.items()
                if stem.endswith(self.alpha_suffix)
            }
            mattes = set(alphas.values())  # may be in the same folder as the photos
            images = {stem: path for stem, path in images.items() if path not in mattes}
            self._check_suffix(folder, found, images, alphas)
        self.check_trimaps()
        trimaps = {}
        if found.trimaps and (folder / found.trimaps).is_dir():  # another part may have them
            trimaps = files_by_stem(folder / found.trimaps, _NO_TRIMAPS)
        _check_names(images, alphas, folder / found.alphas)
        return [
            Photo(
                stem,
                image=find_partner(images, stem, alpha),
                alpha=alpha,
                trimap=find_partner(trimaps, stem, alpha, _NO_TRIMAPS) if trimaps else None,
            )
            for stem, alpha in alphas.items()
        ]

    def _check_suffix(
        self, folder: Path, found: FolderNames, images: dict[str, Path], alphas: dict[str, Path]
    ) -> None:
        """Raise GFMError if the suffix of the mattes leaves no matte or no photo."""
        if not alphas:
            raise GFMError(
                f"no name in {folder / found.alphas} ends in {self.alpha_suffix}: set "
                "data.alpha_suffix to the ending of the names of mattes"
            )
        if not images:
            raise GFMError(
                f"{folder / found.images} has mattes, but no photos in a supported format "
                f"({', '.join(SUFFIXES)}): convert them, or set {_SET_IMAGES}"
            )

    def _cutouts(self, images: Mapping[str, Path]) -> list[Photo]:
        """Describe cut-outs, each with a background to blend it over in validation."""
        kind: Backgrounds = "coco" if self.bg20k is None and self.coco else "bg20k"
        backgrounds = scenes(getattr(self, kind), f"paths.{kind}", is_for_track=False)
        photos = []
        for name, path in images.items():
            digest = hashlib.sha256(name.encode()).digest()
            scene = backgrounds[int.from_bytes(digest[:8], "big") % len(backgrounds)]
            photos.append(Photo(name, image=path, alpha=path, scene=scene.image))
        return photos

    def parts(self) -> list[Path]:
        """Return the parents of the folders of photos and mattes: training, then validation.

        Raises:
            GFMError: The root is not set or missing.
        """
        root = self._root()
        validation = find_child(root, VALIDATION)
        return [find_child(root, TRAINING) or root, *([validation] if validation else [])]

    def check_trimaps(self) -> None:
        """Raise GFMError if the user named a folder of trimaps that no part has."""
        name, parts = self.trimaps, self.parts()
        if name and name != "none" and not any((part / name).is_dir() for part in parts):
            raise GFMError(f"no folder {parts[0] / name}: set data.trimaps, or data.trimaps=none")

    def find_folders(self, folder: Path) -> FolderNames:
        """Find the folders in one of :meth:`parts`; see :func:`find_folders`."""
        names = self.images, self.alphas, self.trimaps
        try:
            found = find_folders(folder, *names, are_together=bool(self.alpha_suffix))
        except GFMError as error:
            if folder not in self.parts()[1:]:
                raise
            raise GFMError(
                f"{error}, or rename {folder}: its name makes it the validation set"
            ) from error
        return found._replace(trimaps=None) if self.trimaps == "none" else found


def _check_names(images: Iterable[str], alphas: Mapping[str, Path], folder: Path) -> None:
    """Warn of photos without a matte, and detect mattes whose names add a suffix.

    Raises:
        GFMError: All mattes add the same suffix.
    """
    if suffix := find_suffix(alphas, images):
        name = next(iter(alphas.values())).name
        raise GFMError(
            f"the mattes of {folder} are named like {name}: set data.alpha_suffix={suffix}"
        )
    warn_of_unpaired(images, alphas, folder)
