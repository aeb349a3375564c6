"""Files of the demo data sets: which there are, and drawing and encoding each of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from gfm.data.trimap import trimap_from_alpha
from gfm.demo.noise import Image
from gfm.demo.sample import draw_background_pair, draw_sample

TRIMAP_KERNEL = 25
COCO_SHAPE = (480, 640)

_PNG: list[int] = []  # what OpenCV does on its own is fast and small
# Chroma at full resolution: a photo has to stay the sum of its layers, hair by hair.
_JPEG = [
    cv2.IMWRITE_JPEG_QUALITY, 95,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
]  # fmt: skip
_SMALL_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 92]


@dataclass(frozen=True)
class DemoSize:
    """How much to draw: images and pixels.

    Attributes:
        num_train: Photos of animals to train on.
        num_validation: Photos of animals to validate on.
        num_backgrounds: Scenes for training; a tenth as many, at least one, go into ``testval``.
        num_coco: Smaller scenes, 480 x 640 pixels.
        height: Of the animals' photos; every fifth is upright, with the sides exchanged.
        width: Of the animals' photos.
        background_height: Of the scenes.
        background_width: Of the scenes.
    """

    num_train: int = 40
    num_validation: int = 8
    num_backgrounds: int = 40
    num_coco: int = 16
    height: int = 720
    width: int = 1080
    background_height: int = 1280
    background_width: int = 1920


@dataclass(frozen=True)
class Drawing:
    """One photo to draw: which one of which kind, and its size in pixels.

    The kinds are "train", "validation" (animals), "background", "testval" and "coco" (scenes).
    """

    kind: str
    seed: int
    index: int
    height: int
    width: int


def drawings(size: DemoSize, seed: int) -> Iterator[Drawing]:
    """All photos of a demo."""
    num_testval = max(size.num_backgrounds // 10, 1)
    scenes = ["background"] * size.num_backgrounds + ["testval"] * num_testval
    for index, kind in enumerate(scenes):
        yield Drawing(kind, seed, index, size.background_height, size.background_width)
    for index in range(size.num_coco):
        yield Drawing("coco", seed, len(scenes) + index, *COCO_SHAPE)
    animals = ["train"] * size.num_train + ["validation"] * size.num_validation
    for index, kind in enumerate(animals):
        sides = (size.height, size.width)
        yield Drawing(kind, seed, index, *(sides[::-1] if index % 5 == 3 else sides))


def make_folders(root: Path) -> None:
    """Create the folders of all three data sets."""
    for name in (
        *(f"AM-2k/train/{n}" for n in ("mask", "fg", "bg", "original_denoise", "fg_denoise")),
        *(f"AM-2k/{split}/original" for split in ("train", "validation")),
        *(f"AM-2k/validation/{n}" for n in ("mask", "trimap")),
        *(f"BG-20k/{n}" for n in ("train", "train_denoise", "testval")),
        "COCO/train",
    ):
        (root / name).mkdir(parents=True)


def draw_files(root: Path, drawing: Drawing) -> None:
    """Draw the photo of ``drawing`` and write all of its files below ``root``."""
    if drawing.kind in ("train", "validation"):
        _animal_files(root / "AM-2k" / drawing.kind, drawing)
        return
    photo, clean = draw_background_pair(drawing.seed, drawing.index, drawing.height, drawing.width)
    if drawing.kind == "coco":
        _write(root / "COCO/train" / f"{drawing.index:012d}.jpg", photo, _SMALL_JPEG)
        return
    stem = f"h_{drawing.index:08d}"
    folder = "train" if drawing.kind == "background" else "testval"
    _write(root / "BG-20k" / folder / f"{stem}.jpg", photo, _SMALL_JPEG)
    if drawing.kind == "background":
        _write(root / "BG-20k/train_denoise" / f"{stem}.jpg", clean, _SMALL_JPEG)


def _animal_files(folder: Path, drawing: Drawing) -> None:
    sample = draw_sample(drawing.seed, drawing.index, drawing.height, drawing.width)
    stem = f"m_{drawing.index + 1:08d}"
    _write(folder / "original" / f"{stem}.jpg", sample.image, _JPEG)
    _write(folder / "mask" / f"{stem}.png", sample.alpha, _PNG)
    if drawing.kind == "validation":
        trimap = trimap_from_alpha(sample.alpha, TRIMAP_KERNEL)
        _write(folder / "trimap" / f"{stem}.png", trimap, _PNG)
        return
    _write(folder / "fg" / f"{stem}.png", sample.foreground, _PNG)
    _write(folder / "bg" / f"{stem}.jpg", sample.background, _JPEG)
    _write(folder / "original_denoise" / f"{stem}.jpg", sample.image_clean, _JPEG)
    _write(folder / "fg_denoise" / f"{stem}.png", sample.foreground_clean, _PNG)


def _write(path: Path, image: Image, options: list[int]) -> None:
    # Encoding in memory first: cv2 writes files without saying what went wrong.
    ordered = image if image.ndim == 2 else np.ascontiguousarray(image[..., ::-1])
    path.write_bytes(cv2.imencode(path.suffix, ordered, options)[1].tobytes())
