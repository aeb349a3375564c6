"""Mixes your own photos with other datasets, which keep a network from forgetting."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from gfm.data.folder_names import TRAINING, find_child
from gfm.data.layout import Backgrounds, Foreground, Photo, Scene
from gfm.data.pairs import Pairs
from gfm.errors import GFMError


@dataclass(frozen=True)
class Mixture:
    """A main dataset, and others that are also trained on.

    Photos of the others are named ``<folder>/<name>``, so no two photos have the same name.

    Attributes:
        main: The main dataset.
        also: Root folders of the others, in any layout that :class:`gfm.data.pairs.Pairs` finds
            without further options.
    """

    main: Pairs
    also: Sequence[str | Path] = ()

    def find(self) -> "Mixture":
        """Return the mixture itself."""
        return self

    def training(self, foreground: Foreground, is_denoised: bool) -> list[Photo]:
        """List the training photos of all datasets."""
        own = self.main.training(foreground, is_denoised)
        return own + self._added(lambda other: other.training(foreground, is_denoised))

    def validation(self) -> list[Photo]:
        """List the photos of the validation folders of all datasets."""
        return self.main.validation() + self._added(Pairs.validation)

    def scenes(self, name: Backgrounds, is_denoised: bool = False) -> list[Scene]:
        """List the backgrounds of the main dataset."""
        return self.main.scenes(name, is_denoised)

    def _added(self, list_photos: Callable[[Pairs], list[Photo]]) -> list[Photo]:
        """List photos of the others.

        Raises:
            GFMError: As in :class:`gfm.data.pairs.Pairs`, or two folders have the same name.
        """
        photos: list[Photo] = []
        for name, other in self._others().items():
            with _explain_layout(other):
                photos += _renamed(name, list_photos(other))
        return photos

    def _others(self) -> dict[str, Pairs]:
        others: dict[str, Pairs] = {}
        for root in map(Path, self.also):
            name = dataset_name(root)
            if name in others:
                raise GFMError(f"data.also names two folders {name}: rename one of them")
            others[name] = Pairs(root, bg20k=self.main.bg20k, coco=self.main.coco)
        return others


@contextmanager
def _explain_layout(other: Pairs) -> Iterator[None]:
    """Make errors of an added dataset describe its layout, not the options of the main one."""
    try:
        yield
    except GFMError as error:
        fault, option, _ = str(error).partition(": set data.")
        if not option:
            raise
        text = "data.also takes folders with the sub-folders images and alphas, whose files have "
        text += "the same names"
        train = find_child(other.root, TRAINING) if other.root and other.root.is_dir() else None
        if train and str(train) not in fault:  # as in P3M-10k
            text += f"; {train} may be one"
        raise GFMError(f"{fault}: {text}") from error


def dataset_name(root: Path) -> str:
    """Return the name of an added dataset, which begins the names of its photos.

    It is the name of the folder, or of its parent if the folder is named ``train``.
    """
    root = root.resolve()
    name = root.parent.name if root.name.lower() in TRAINING else root.name
    # Loggers group names at slashes, and torch forbids dots in names of modules.
    return (name or root.name).replace(".", "_")


def _renamed(dataset: str, photos: Sequence[Photo]) -> list[Photo]:
    return [replace(p, name=f"{dataset}/{p.name}", dataset=dataset) for p in photos]


def datasets_of(photos: Sequence[Photo]) -> dict[str, list[Photo]]:
    """Group photos by their dataset; the main one has the name ``""``."""
    groups: dict[str, list[Photo]] = {}
    for photo in photos:
        groups.setdefault(photo.dataset, []).append(photo)
    return groups
