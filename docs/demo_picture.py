"""Draws the demo data and makes the picture of them: ``python docs/demo_picture.py FOLDER``."""

import sys
from pathlib import Path

import cv2
import numpy as np

from gfm.animals import DrawnAnimals
from gfm.data.compositing import blend
from gfm.data.images import read_alpha, read_image

PHOTOS = (1, 39, 20, 34)
WIDTH, GAP = 1600, 6  # pixels: the whole picture, and the space around its parts


def fit(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the middle of ``image``, as much as fits, resized."""
    scale = min(image.shape[0] / height, image.shape[1] / width)
    rows, columns = int(height * scale), int(width * scale)
    top, left = (image.shape[0] - rows) // 3, (image.shape[1] - columns) // 2
    part = image[top : top + rows, left : left + columns]
    return cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)


def line(images: list[np.ndarray]) -> np.ndarray:
    """Put pictures of one size side by side, with space before and below each."""
    padded = [np.pad(i, ((0, GAP), (GAP, 0), (0, 0)), constant_values=255) for i in images]
    row = np.concatenate(padded, axis=1)
    return np.pad(row, ((0, 0), (0, WIDTH - row.shape[1]), (0, 0)), constant_values=255)


def main() -> None:
    """Write ``docs/images/demo.jpg``: photo, alpha, foreground, new background; then scenes."""
    roots = DrawnAnimals(sys.argv[1]).find()
    assert roots.bg20k is not None
    scenes = [read_image(path) for path in sorted((roots.bg20k / "train").iterdir())]
    train, wide = roots.photos / "train", (WIDTH - 5 * GAP) // 4
    tall = round(wide * 2 / 3)
    lines = [np.full((GAP, WIDTH, 3), 255, np.uint8)]
    for row, photo in enumerate(PHOTOS):
        stem = f"m_{photo + 1:08d}"
        image = fit(read_image(train / f"original/{stem}.jpg"), tall, wide)
        alpha = fit(read_alpha(train / f"mask/{stem}.png"), tall, wide)
        foreground = fit(read_image(train / f"fg/{stem}.png"), tall, wide)
        scene = fit(scenes[3 * row + 1], tall, wide)
        grey = cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB)
        lines.append(line([image, grey, foreground, blend(foreground, scene, alpha)]))
    lines.append(line([fit(scene, tall // 2, (WIDTH - 9 * GAP) // 8) for scene in scenes[:8]]))
    picture = cv2.cvtColor(np.concatenate(lines), cv2.COLOR_RGB2BGR)
    file = Path(__file__).parent / "images/demo.jpg"
    cv2.imwrite(str(file), picture, [cv2.IMWRITE_JPEG_QUALITY, 85])


if __name__ == "__main__":
    main()
