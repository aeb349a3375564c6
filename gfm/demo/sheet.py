"""An overview of the demo data in one picture."""

from collections.abc import Sequence

import cv2
import numpy as np

from gfm.data.images import read_alpha, read_image
from gfm.data.layout import Roots
from gfm.demo.layers import compose
from gfm.demo.noise import Image

GAP = 6  # pixels between pictures


def contact_sheet(
    roots: Roots, photos: Sequence[int] = (1, 27, 20, 34), width: int = 1600
) -> Image:
    """Photos with their alpha, foreground and a new background, and a strip of scenes below.

    Args:
        roots: What ``ensure_demo`` returned.
        photos: Numbers of the training photos to show, counted from 0 and round again.
        width: Of the whole sheet in pixels.

    Returns:
        height x width x 3, RGB.
    """
    tile = (width - 5 * GAP) // 4
    shape = (round(tile * 2 / 3), tile)
    assert roots.bg20k is not None
    scenes = sorted((roots.bg20k / "train").iterdir())
    stems = sorted(path.stem for path in (roots.photos / "train" / "mask").iterdir())
    lines = []
    for row, number in enumerate(photos):
        stem = stems[number % len(stems)]
        train = roots.photos / "train"
        photo = _crop(read_image(train / "original" / f"{stem}.jpg"), shape)
        alpha = _crop(read_alpha(train / "mask" / f"{stem}.png"), shape)
        foreground = _crop(read_image(train / "fg" / f"{stem}.png"), shape)
        scene = _crop(read_image(scenes[(3 * row + 1) % len(scenes)]), shape)
        grey = np.repeat(alpha[..., None], 3, axis=-1)
        lines.append(_line([photo, grey, foreground, compose(foreground, scene, alpha)]))
    strip = [
        _crop(read_image(path), (shape[0] // 2, (width - 9 * GAP) // 8)) for path in scenes[:8]
    ]
    lines.append(_line(strip))
    sheet = np.full((sum(len(line) + GAP for line in lines) + GAP, width, 3), 255, np.uint8)
    top = GAP
    for line in lines:
        sheet[top : top + len(line), : line.shape[1]] = line
        top += len(line) + GAP
    return sheet


def _crop(image: Image, shape: tuple[int, int]) -> Image:
    """The middle of ``image``, as large as fits, resized to ``shape`` (height, width)."""
    height, width = image.shape[:2]
    scale = min(height / shape[0], width / shape[1])
    rows, columns = int(shape[0] * scale), int(shape[1] * scale)
    top, left = (height - rows) // 3, (width - columns) // 2
    part = image[top : top + rows, left : left + columns]
    return cv2.resize(part, shape[::-1], interpolation=cv2.INTER_AREA)


def _line(tiles: list[Image]) -> Image:
    gap = np.full((len(tiles[0]), GAP, 3), 255, np.uint8)
    return np.concatenate([part for tile in tiles for part in (gap, tile)], axis=1)
