"""Draw the demo data and a picture of them: ``python docs/demo_picture.py FOLDER``."""

import sys
from pathlib import Path

import cv2
import numpy as np

from gfm.animals import DrawnAnimals
from gfm.data.compositing import blend
from gfm.data.images import read_alpha, read_image

IMAGES = Path(__file__).parent / "images"
PHOTOS = (1, 39, 20, 34)  # of the demo data
PAGE, GAP = 1600, 6  # pixels: width of a picture, space around its parts


def fit(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Crop ``image`` around its middle to the new aspect ratio and resize it."""
    scale = min(image.shape[0] / height, image.shape[1] / width)
    rows, columns = int(height * scale), int(width * scale)
    top, left = (image.shape[0] - rows) // 3, (image.shape[1] - columns) // 2
    part = image[top : top + rows, left : left + columns]
    return cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)


def place_side_by_side(images: list[np.ndarray]) -> np.ndarray:
    """Join images of one size in a row, with space before and below each."""
    padded = [np.pad(i, ((0, GAP), (GAP, 0), (0, 0)), constant_values=255) for i in images]
    row = np.concatenate(padded, axis=1)
    return np.pad(row, ((0, 0), (0, PAGE - row.shape[1]), (0, 0)), constant_values=255)


def write(lines: list[np.ndarray], name: str) -> None:
    """Write ``docs/images/<name>`` from rows of equal width, top to bottom."""
    picture = np.concatenate([np.full((GAP, PAGE, 3), 255, np.uint8), *lines])
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(IMAGES / name), bgr, [cv2.IMWRITE_JPEG_QUALITY, 85])


def draw_demo_data(folder: str) -> None:
    """Write ``demo.jpg``: photo, alpha, foreground, new background; then scenes."""
    roots = DrawnAnimals(folder).find()
    assert roots.bg20k is not None
    scenes = [read_image(path) for path in sorted((roots.bg20k / "train").iterdir())]
    train, wide = roots.photos / "train", (PAGE - 5 * GAP) // 4
    tall = round(wide * 2 / 3)
    lines = []
    for row, photo in enumerate(PHOTOS):
        stem = f"m_{photo + 1:08d}"
        image = fit(read_image(train / f"original/{stem}.jpg"), tall, wide)
        alpha = fit(read_alpha(train / f"mask/{stem}.png"), tall, wide)
        foreground = fit(read_image(train / f"fg/{stem}.png"), tall, wide)
        scene = fit(scenes[3 * row + 1], tall, wide)
        grey = cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB)
        lines.append(place_side_by_side([image, grey, foreground, blend(foreground, scene, alpha)]))
    small = (PAGE - 9 * GAP) // 8
    lines.append(place_side_by_side([fit(scene, tall // 2, small) for scene in scenes[:8]]))
    write(lines, "demo.jpg")


if __name__ == "__main__":
    draw_demo_data(sys.argv[1])
