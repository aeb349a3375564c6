"""Makes the trimaps of validation photos from their mattes."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from gfm.data.images import read_alpha, write_png
from gfm.data.layout import AM2K, Folders, validation_photos
from gfm.data.trimap import trimap_from_alpha
from gfm.errors import GFMError
from gfm.prepare.runner import DEFAULTS, Item, Job, Options, run
from gfm.rosta import TT

_BYTES_PER_PIXEL = 0.02  # of a PNG file, measured


def make(kernel_size: int, item: Item) -> None:
    """Write the trimap of a matte.

    Raises:
        GFMError: The matte is unreadable.
        WriteError: The trimap cannot be written.
    """
    write_png(item.targets[0], trimap_from_alpha(read_alpha(item.sources[0]), kernel_size))


def prepare_trimaps(
    root: Path,
    folders: Folders = AM2K,
    kernel_size: int = TT.kernel_size,
    options: Options = DEFAULTS,
) -> None:
    """Write the folder ``validation/trimap``.

    Args:
        root: Root of the dataset.
        folders: Names of its folders.
        kernel_size: Side of the kernel in pixels; see :func:`gfm.data.trimap.trimap_from_alpha`.
        options: Options of the run.

    Raises:
        GFMError: The kernel size or the name of the folder is missing or wrong, or see
            :func:`gfm.prepare.runner.run`.
    """
    if kernel_size < 1:
        raise GFMError(f"--kernel-size {kernel_size}: give a positive number of pixels")
    if not folders.validation_trimap:
        raise GFMError("data.source.folders.validation_trimap names no folder: give it a name")
    target = root / folders.validation_trimap
    # Ignore existing trimaps, because a folder may be half made and is completed here.
    mattes = validation_photos(root, replace(folders, validation_trimap=""))
    items = [Item((photo.alpha,), (target / f"{photo.name}.png",)) for photo in mattes]
    make_one = partial(make, kernel_size)
    run(Job("trimaps", items, make_one, _num_bytes), options)


def _num_bytes(item: Item, size: tuple[int, int]) -> float:
    return _BYTES_PER_PIXEL * size[0] * size[1]
