"""Denoises pictures for the RSSN track.

The noise of a photo differs from that of its new background, which gives a composite away.
Therefore RSSN sometimes uses denoised pairs (Li et al., IJCV 2022, section 5). There are two
methods:

- ``nlm``: non-local means of scikit-image (BSD licence). At equal noise it is more faithful than
  OpenCV's and as fast; see ``docs/preparing.md``.
- ``bm3d``: the method of the paper, from the package ``bm3d``, whose licence forbids commercial
  use. This project never installs it.
"""

import importlib.util
import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from gfm.data.images import read_image
from gfm.data.layout import DENOISED_SCENES, Roots, scene_folder
from gfm.data.listing import files_by_stem
from gfm.errors import GFMError
from gfm.prepare.foregrounds import QUALITY
from gfm.prepare.runner import DEFAULTS, Item, Job, Options, run

_FAULTS = {
    "nlm": ("skimage", "scikit-image is missing: pip install 'gfm-matting[prepare]'"),
    "bm3d": ("bm3d", "bm3d is missing (licence: non-commercial use only): pip install bm3d"),
}
_BYTES = 0.25  # per pixel of a JPEG file, measured on photos


def nlm(image: np.ndarray, sigma: float) -> np.ndarray:
    """Denoise H×W×3 in [0, 1] by non-local means (Buades et al., CVPR 2005)."""
    from skimage.restoration import denoise_nl_means

    result: np.ndarray = denoise_nl_means(
        image,
        patch_size=5,
        patch_distance=6,
        h=0.6 * sigma,
        sigma=sigma,
        fast_mode=True,
        channel_axis=-1,
    )
    return result


def bm3d(image: np.ndarray, sigma: float) -> np.ndarray:
    """Denoise H×W×3 in [0, 1] by block-matching and 3D filtering (Dabov et al., TIP 2007)."""
    from bm3d import bm3d_rgb

    result: np.ndarray = bm3d_rgb(image, sigma)
    return result


METHODS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {"nlm": nlm, "bm3d": bm3d}


def denoise(image: np.ndarray, method: str = "nlm", sigma: float = 10.0) -> np.ndarray:
    """Remove the noise of a picture.

    Args:
        image: H×W×3, uint8.
        method: ``nlm`` or ``bm3d``; see the module.
        sigma: Standard deviation of the noise, on the scale of 0..255.

    Returns:
        H×W×3, uint8.
    """
    result = METHODS[method](image.astype(np.float32) / 255, sigma / 255)
    return np.clip(result * 255 + 0.5, 0, 255).astype(np.uint8)


def make(method: str, sigma: float, item: Item) -> tuple[np.ndarray]:
    """Return a denoised picture; see :class:`gfm.prepare.runner.Job`."""
    return (denoise(read_image(item.sources[0]), method, sigma),)


def kinds(roots: Roots) -> dict[str, tuple[Path, Path]]:
    """Return the source and target folders by the names that ``--only`` takes.

    Sources that do not exist are left out.
    """
    names = roots.folders
    found = {
        "original": (names.train_image, names.denoised_image),
        "fg": (names.foreground, names.denoised_foreground),
    }
    result = {k: (roots.photos / a, roots.photos / b) for k, (a, b) in found.items() if b}
    if roots.bg20k:
        result["bg20k"] = (scene_folder(roots.bg20k), roots.bg20k / DENOISED_SCENES)
    return {name: folders for name, folders in result.items() if folders[0].is_dir()}


def prepare_denoise(
    roots: Roots,
    method: str = "nlm",
    sigma: float = 10.0,
    only: Sequence[str] = (),
    options: Options = DEFAULTS,
) -> None:
    """Write ``original_denoise``, ``fg_denoise`` and the ``train_denoise`` of BG-20k as JPEG.

    The published guide stores foregrounds as PNG; see :mod:`gfm.prepare.foregrounds`.

    Args:
        roots: Roots of the datasets.
        method: ``nlm`` or ``bm3d``; see the module.
        sigma: Standard deviation of the noise to remove, on the scale of 0..255; by default that of
            the noise that RSSN adds.
        only: Names of sources, see :func:`kinds`; if empty, all that exist.
        options: Options of the run.

    Raises:
        GFMError: A package or a folder is missing, or see :func:`gfm.prepare.runner.run`.
    """
    if method not in METHODS:
        raise GFMError(f"--method {method}: choose one of {', '.join(METHODS)}")
    if not 0 < sigma < math.inf:
        raise GFMError(f"--sigma {sigma}: give a positive number, on the scale of 0..255")
    module, fault = _FAULTS[method]
    if importlib.util.find_spec(module) is None:
        raise GFMError(fault)
    found = kinds(roots)
    if not found:
        raise GFMError(
            f"{roots.folders.option}={roots.photos} has no folder of pictures to denoise: use "
            "AM-2k's layout, or set paths.bg20k"
        )
    for name in only:
        if name not in found:
            raise GFMError(f"--only {name}: no such source; choose from {', '.join(found)}")
    jobs = []
    for name in only or found:
        source, target = found[name]
        quality = QUALITY if name == "fg" else 95
        items = [
            Item((path,), (target / f"{stem}.jpg",), _BYTES, quality=quality)
            for stem, path in files_by_stem(source, None).items()
        ]
        jobs.append(Job(f"denoise {name}", items, partial(make, method, sigma)))
    run(jobs, options)
