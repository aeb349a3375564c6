"""Estimates the colours of foreground and background from a photo and its matte.

A pixel of hair mixes foreground and background: I = α·F + (1 - α)·B. Composites over other
backgrounds need F, and the composition loss needs F and B. pymatting provides two methods:

- ``cf``: closed form (Levin et al., TPAMI 2008), the method of the paper.
- ``ml``: multi-level (Germer et al., 2020), many times faster.
"""

from functools import partial
from pathlib import Path

import numpy as np

from gfm.data.images import check_size, read_alpha, read_image
from gfm.data.layout import AM2K, Folders, Roots
from gfm.errors import GFMError
from gfm.prepare.runner import DEFAULTS, Item, Job, Options, run
from gfm.system.console import console
from gfm.system.extras import import_optional

METHODS = ("cf", "ml")

_BYTES = 0.55  # per pixel, of both JPEG files together, measured on photos

QUALITY = 98
"""JPEG quality of foregrounds; at 95, errors are about twice as large (``docs/preparing.md``)."""


def estimate(image: np.ndarray, alpha: np.ndarray, method: str) -> tuple[np.ndarray, np.ndarray]:
    """Estimate the foreground and the background of a photo.

    Args:
        image: H×W×3 RGB, uint8.
        alpha: H×W, uint8.
        method: ``cf`` or ``ml``; see the module.

    Returns:
        Foreground and background, H×W×3, uint8.
    """
    # Imported here, because it takes seconds, and compiles for a minute the first time.
    from pymatting.foreground.estimate_foreground_cf import estimate_foreground_cf
    from pymatting.foreground.estimate_foreground_ml import estimate_foreground_ml

    solve = {"cf": estimate_foreground_cf, "ml": estimate_foreground_ml}[method]
    layers = solve(image / 255.0, alpha / 255.0, return_background=True)
    foreground, background = (
        np.clip(np.asarray(layer) * 255 + 0.5, 0, 255).astype(np.uint8) for layer in layers
    )
    return foreground, background


def make(method: str, item: Item) -> tuple[np.ndarray, np.ndarray]:
    """Return the foreground and the background; see :class:`gfm.prepare.runner.Job`."""
    image, alpha = read_image(item.sources[0]), read_alpha(item.sources[1])
    check_size(item.sources[0], image.shape[:2], "its matte", alpha.shape)
    return estimate(image, alpha, method)


def prepare_foregrounds(
    root: Path, folders: Folders = AM2K, method: str = "cf", options: Options = DEFAULTS
) -> None:
    """Write the folders ``fg`` and ``bg`` of the training photos.

    They are JPEG, which decodes twice as fast as PNG. Its compression error is a tenth of the
    error of the estimate; see ``docs/preparing.md``.

    Raises:
        GFMError: pymatting is not installed, or see :func:`gfm.prepare.runner.run`.
    """
    if method not in METHODS:
        raise GFMError(f"--method {method}: choose one of {', '.join(METHODS)}")
    if not folders.foreground:
        raise GFMError(f"{folders.option}={root} has no folder for foregrounds: use AM-2k's layout")
    targets = [root / folders.foreground, root / folders.background]
    items = [
        Item(
            (photo.image, photo.alpha),
            tuple(f / f"{photo.name}.jpg" for f in targets),
            _BYTES,
            quality=QUALITY,
        )
        for photo in Roots(root, folders=folders).training("image", False)
    ]
    console().print("loading pymatting; its first import compiles for about a minute")
    # Import it before the workers start; otherwise all of them would compile it at once.
    import_optional("pymatting", "prepare", "gfm prepare foregrounds")
    run([Job("foregrounds", items, partial(make, method))], options)
