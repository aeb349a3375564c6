"""Writes small files for campaigns and loads: photos with mattes."""

from pathlib import Path

import numpy as np

from gfm.data.images import write_jpeg, write_png
from tests.metrics.pairs import furry_pair

SIDE = 96
"""Side in pixels of the photos of a campaign."""


def write_photo(image: Path, alpha: Path | None, seed: int, side: int = SIDE) -> None:
    """Write a photo of a furry shape on a plain ground, both with noise, and its matte."""
    _, target, _ = furry_pair(side, side, seed)
    rng = np.random.default_rng(seed)
    fur, ground = rng.uniform(60, 200, (2, 1, 1, 3))
    colours = target[..., None] * fur + (1 - target[..., None]) * ground
    grainy = colours + 8 * rng.standard_normal(colours.shape)
    image.parent.mkdir(parents=True, exist_ok=True)
    write_jpeg(image, np.clip(grainy + 0.5, 0, 255).astype(np.uint8))
    if alpha is not None:
        alpha.parent.mkdir(parents=True, exist_ok=True)
        write_png(alpha, np.rint(target * 255).astype(np.uint8))


def write_dataset(root: Path, num_train: int, num_validation: int, side: int = SIDE) -> None:
    """Write ``train`` and ``validation`` with ``original`` and ``mask``, as in AM-2k."""
    for part, count in (("train", num_train), ("validation", num_validation)):
        for index in range(count):
            name = f"m_{index:05d}"
            photo, matte = (root / part / folder / name for folder in ("original", "mask"))
            write_photo(photo.with_suffix(".jpg"), matte.with_suffix(".png"), index, side)


def write_predictions(folder: Path, count: int, side: int = SIDE) -> None:
    """Write mattes of the validation photos as if another method had made them."""
    folder.mkdir(parents=True)
    for index in range(count):
        matte, _, _ = furry_pair(side, side, index, noise=0.1)
        write_png(folder / f"m_{index:05d}.png", np.rint(matte * 255).astype(np.uint8))
