"""A plain test set: a folder of photos, a folder of mattes, and perhaps a folder of trimaps.

::

    root/  images  alphas  [trimaps]

P3M-500, AIM-500 and PPM-100 have this layout under other names, which can be given.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path

from gfm.data.layout import Photo
from gfm.data.listing import files_by_stem, partner
from gfm.data.paths import as_path
from gfm.errors import GFMError


@dataclass(frozen=True)
class FolderSet:
    """Photos to evaluate on, without any for training.

    Attributes:
        root: Folder that holds the others; ``None`` if a run was not given it.
        images: Name of the folder of photos.
        alphas: Name of the folder of mattes; photos without a matte are left out.
        trimaps: Name of the folder of trimaps. Without the folder, trimaps are derived from
            the mattes.
    """

    root: Path | None
    images: str = "images"
    alphas: str = "alphas"
    trimaps: str | None = "trimaps"

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", as_path(self.root, "data.root"))

    def find(self) -> "FolderSet":
        """Return the set itself."""
        return self

    def validation(self) -> list[Photo]:
        """List the photos, sorted by name.

        Raises:
            GFMError: The root is not set, or a folder or the partner of a file is missing.
        """
        if self.root is None:
            raise GFMError("data=folder needs data.root=<folder that holds images/ and alphas/>")
        if not self.root.is_dir():
            raise GFMError(f"no folder {self.root}: set data.root")
        images = files_by_stem(self.root / self.images, "data.images to the photos' folder name")
        alphas = files_by_stem(self.root / self.alphas, "data.alphas to the mattes' folder name")
        trimaps: dict[str, Path] = {}
        if self.trimaps and (self.root / self.trimaps).is_dir():
            trimaps = files_by_stem(self.root / self.trimaps, "data.trimaps=null")
        unscored = sorted(images.keys() - alphas.keys())
        if unscored:
            warnings.warn(
                f"{len(unscored)} of {len(images)} photos have no matte in "
                f"{self.root / self.alphas} and are not scored, for example {unscored[0]}",
                stacklevel=2,
            )
        return [
            Photo(
                stem,
                image=partner(images, stem, alpha),
                alpha=alpha,
                trimap=partner(trimaps, stem, alpha) if trimaps else None,
            )
            for stem, alpha in alphas.items()
        ]
