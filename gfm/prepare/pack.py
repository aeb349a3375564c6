"""Stores decoded datasets, as arrays that the loader memory-maps and reads by window.

A packed dataset has the layout of its source, so a run needs only ``paths.am2k=<packed>``. Each
picture is a ``.npy`` file of uint8: H×W×3, or H×W for mattes and trimaps. A packed dataset also
holds what training derives from whole mattes: ``train/labels/trimap_K``, H×W uint8, is
:func:`gfm.data.trimap.trimap_from_alpha` with kernel size K, for every K that a RoSTA uses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os.path import abspath
from pathlib import Path

import cv2
import numpy as np

from gfm.data.images import is_packed, read_alpha, read_image
from gfm.data.layout import DENOISED_SCENES, Folders, Roots, scene_folder
from gfm.data.listing import files_by_stem, list_pictures
from gfm.data.trimap import trimap_from_alpha
from gfm.errors import GFMError
from gfm.prepare.runner import DEFAULTS, Item, Job, Options, run
from gfm.rosta import ROSTAS

_HEADER = 128  # bytes of a .npy file


@dataclass(frozen=True)
class PackItem(Item):
    """A picture to decode.

    Attributes:
        is_grey: Whether it is a matte or a trimap.
        kernel_sizes: Kernel sizes of the trimaps to derive; their targets follow the picture's.
        max_side: Longest side in pixels of the packed picture; 0 keeps its size.
    """

    is_grey: bool = False
    kernel_sizes: tuple[int, ...] = ()
    max_side: int = 0

    def num_bytes(self, size: tuple[int, int]) -> float:
        """Return the bytes of the targets for a source of (height, width)."""
        return super().num_bytes(shrunk_size(size, self.max_side)) + _HEADER * len(self.targets)


def make(item: Item) -> list[np.ndarray]:
    """Decode a picture, and derive the labels of a training matte."""
    assert isinstance(item, PackItem)
    source = item.sources[0]
    array = read_alpha(source) if item.is_grey else read_image(source)
    trimaps = [trimap_from_alpha(array, size) for size in item.kernel_sizes]
    return [shrink(array, item.max_side), *trimaps]


def shrink(image: np.ndarray, max_side: int) -> np.ndarray:
    """Shrink a picture by averaging until no side exceeds ``max_side`` pixels; 0 keeps its size."""
    height, width = shrunk_size((image.shape[0], image.shape[1]), max_side)
    if (height, width) == image.shape[:2]:
        return image
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def shrunk_size(size: tuple[int, int], max_side: int) -> tuple[int, int]:
    """Return the (height, width) that :func:`shrink` gives."""
    scale = max_side / max(*size, 1)
    if not 0 < scale < 1:
        return size
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def photo_items(root: Path, out: Path, folders: Folders, kernel_sizes: Sequence[int]) -> list[Item]:
    """List an item for every picture in those folders that exist."""
    fields = ["train_image", "foreground", "background", "denoised_image", "denoised_foreground"]
    fields += ["train_alpha", "validation_image", "validation_alpha", "validation_trimap"]
    items: list[Item] = []
    for name in fields:
        folder = getattr(folders, name)
        for stem, source in files_by_stem(root / folder, None).items() if folder else ():
            targets = [out / folder / f"{stem}.npy"]
            sizes = tuple(kernel_sizes) if name == "train_alpha" and folders.labels else ()
            if sizes:
                kinds = [f"trimap_{size}" for size in sizes]
                targets += [out / folders.labels / kind / f"{stem}.npy" for kind in kinds]
            is_grey = name.endswith(("alpha", "trimap"))
            per_pixel = 1.0 + len(sizes) if is_grey else 3.0
            items.append(PackItem((source,), tuple(targets), per_pixel, is_grey, sizes))
    return items


def scene_items(root: Path, out: Path, max_side: int) -> list[Item]:
    """List an item for every background that training reads."""
    return [
        PackItem((path,), (out / folder.relative_to(root) / f"{stem}.npy",), 3.0, max_side=max_side)
        for folder in (scene_folder(root), root / DENOISED_SCENES)
        for stem, path in files_by_stem(folder, None).items()
    ]


def prepare_pack(
    roots: Roots,
    out: Path | None = None,
    max_side: int = 0,
    only: Sequence[str] = (),
    options: Options = DEFAULTS,
) -> dict[str, Path]:
    """Pack all datasets that exist, or only those named.

    Args:
        roots: Roots of the datasets.
        out: Folder in which each dataset gets a folder of the same name; by default
            ``<dataset>_packed`` beside each dataset.
        max_side: Longest side of backgrounds in pixels; 0 keeps their size.
        only: Any of ``photos``, ``bg20k`` and ``coco``; if empty, all that exist.
        options: Options of the run.

    Returns:
        The folders of the packed datasets, by these names.

    Raises:
        GFMError: A dataset does not exist or is packed already, two would be packed into the same
            folder, a folder lies outside its dataset or contains pictures of a different dataset or
            of deleted files, the disk is too small, or see :func:`gfm.prepare.runner.run`.
    """
    targets = _find_targets(roots, out, only)
    _refuse_mixtures(targets, roots)
    kernel_sizes = sorted({b.kernel_size for branches in ROSTAS.values() for b in branches})
    jobs = []
    for name, target in targets.items():
        root = getattr(roots, name)
        if name == "photos":
            items = photo_items(root, target, roots.folders, kernel_sizes)
        else:
            items = scene_items(root, target, max_side)
        _refuse(root, target, items)
        jobs.append(Job(f"pack {target.name}", items, make, is_exact=True))
    run(jobs, options)
    return targets


def _find_targets(roots: Roots, out: Path | None, only: Sequence[str]) -> dict[str, Path]:
    """Return the folder to which each dataset is packed; see :func:`prepare_pack`."""
    found = {k: getattr(roots, k) for k in ("photos", "bg20k", "coco") if getattr(roots, k)}
    for name in only:
        if name not in found:
            raise GFMError(f"--only {name}: no such dataset; choose from {', '.join(found)}")
    targets = {}
    for name in only or found:
        root = Path(abspath(found[name]))  # a relative one may have no name
        targets[name] = out / root.name if out else root.with_name(f"{root.name}_packed")
    return targets


def _refuse_mixtures(targets: Mapping[str, Path], roots: Roots) -> None:
    firsts: dict[Path, str] = {}
    for name, target in targets.items():
        both = firsts.setdefault(target, name), name
        one, other = (getattr(roots, dataset) for dataset in both)
        if one != other:
            options = [roots.folders.option if d == "photos" else f"paths.{d}" for d in both]
            raise GFMError(
                f"{options[0]}={one} and {options[1]}={other} would both be packed into {target}: "
                "pack each with --only and a different --out"
            )


def _refuse(root: Path, target: Path, items: Sequence[Item]) -> None:
    if not items:
        raise GFMError(f"no pictures in the folders of {root}: nothing to pack")
    if any(is_packed(path) for item in items for path in item.sources):
        raise GFMError(f"{root} is packed already: there is nothing to do")
    if target.resolve() == root.resolve():
        raise GFMError(f"{target} is the source itself: choose another place with --out")
    made: dict[Path, set[str]] = {}
    for path in (path for item in items for path in item.targets):
        made.setdefault(path.parent, set()).add(path.stem)
    strays = []
    for folder, stems in sorted(made.items()):
        if not folder.is_relative_to(target):
            raise GFMError(
                f"{folder} is outside {root}, so it cannot be packed: move it there, or, if it is "
                "optional, set its name in data.source.folders to nothing"
            )
        found = list_pictures(folder)
        if not all(is_packed(path) for paths in found.values() for path in paths):
            raise GFMError(f"{folder} holds pictures that are not packed: choose another --out")
        strays += [path for stem in found.keys() - stems for path in found[stem]]
    if strays:  # training would use them as well
        raise GFMError(
            f"{target} holds pictures that {root} lacks ({len(strays):,}), such as {min(strays)}: "
            "remove them, or choose another --out"
        )
