"""Makes the trimaps of validation photos from their mattes."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from gfm.data.images import read_alpha
from gfm.data.layout import AM2K, Folders, Roots
from gfm.data.trimap import trimap_from_alpha
from gfm.errors import GFMError
from gfm.prepare.runner import DEFAULTS, Item, Job, Options, run
from gfm.rosta import TT

_BYTES = 0.02  # per pixel, of a PNG file, measured


def make(kernel_size: int, item: Item) -> tuple[np.ndarray]:
    """Return the trimap of a matte; see :class:`gfm.prepare.runner.Job`."""
    return (trimap_from_alpha(read_alpha(item.sources[0]), kernel_size),)


def prepare_trimaps(
    root: Path,
    folders: Folders = AM2K,
    kernel_size: int = TT.kernel_size,
    options: Options = DEFAULTS,
) -> None:
    """Write the folder ``validation/trimap``; see :func:`gfm.data.trimap.trimap_from_alpha`.

    Raises:
        GFMError: The kernel size is not positive, the folder has no name, or see
            :func:`gfm.prepare.runner.run`.
    """
    if kernel_size < 1:
        raise GFMError(f"--kernel-size {kernel_size}: give a positive number of pixels")
    if not folders.validation_trimap:
        raise GFMError("data.source.folders.validation_trimap names no folder: give it a name")
    target = root / folders.validation_trimap
    # Ignore existing trimaps, because an incomplete folder is completed here.
    mattes = Roots(root, folders=replace(folders, validation_trimap="")).validation()
    items = [Item((photo.alpha,), (target / f"{photo.name}.png",), _BYTES) for photo in mattes]
    run([Job("trimaps", items, partial(make, kernel_size))], options)
