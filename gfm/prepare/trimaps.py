"""Trimaps of validation photos, from their mattes."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from gfm.data.images import read_alpha, write_png
from gfm.data.layout import AM2K, Folders, validation_photos
from gfm.data.trimap import trimap_from_alpha
from gfm.errors import GFMError
from gfm.prepare.runner import DEFAULTS, Item, Job, Options, run

KERNEL_SIZE = 25
"""Pixels, as AM-2k's published trimaps and the RoSTA TT."""

_BYTES_PER_PIXEL = 0.02  # PNG, measured


def make(kernel_size: int, item: Item) -> None:
    """Writes the trimap of a matte.

    Raises:
        GFMError: the matte is unreadable.
        WriteError: the trimap cannot be written.
    """
    write_png(item.targets[0], trimap_from_alpha(read_alpha(item.sources[0]), kernel_size))


def prepare_trimaps(
    root: Path,
    folders: Folders = AM2K,
    kernel_size: int = KERNEL_SIZE,
    options: Options = DEFAULTS,
) -> None:
    """Writes the folder ``validation/trimap``.

    Args:
        root: of the dataset.
        folders: names.
        kernel_size: see :func:`gfm.data.trimap.trimap_from_alpha`.
        options: of the run.

    Raises:
        GFMError: see :func:`gfm.prepare.runner.run`.
    """
    if kernel_size < 1:
        raise GFMError(f"--kernel-size {kernel_size}: give a positive number of pixels")
    if not folders.validation_trimap:
        raise GFMError("data.trimaps=null leaves no folder to write to: give it a name")
    target = root / folders.validation_trimap
    # Without those trimaps that are there: a half-made folder is what this completes.
    mattes = validation_photos(root, replace(folders, validation_trimap=""))
    items = [Item((photo.alpha,), (target / f"{photo.name}.png",)) for photo in mattes]
    make_one = partial(make, kernel_size)
    run(Job("trimaps", items, make_one, _num_bytes), options)


def _num_bytes(item: Item, size: tuple[int, int]) -> float:
    return _BYTES_PER_PIXEL * size[0] * size[1]
