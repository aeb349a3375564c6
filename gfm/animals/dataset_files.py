"""Lists the files of the demo datasets, draws them and writes them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gfm.animals.sample import draw_background, draw_sample
from gfm.data.images import write_jpeg, write_png
from gfm.data.trimap import trimap_from_alpha
from gfm.rosta import TT

COCO_SHAPE = (480, 640)

FILES = {
    "train": {
        "image": "AM-2k/train/original/m_{:08d}.jpg",
        "alpha": "AM-2k/train/mask/m_{:08d}.png",
        "foreground": "AM-2k/train/fg/m_{:08d}.png",
        "background": "AM-2k/train/bg/m_{:08d}.jpg",
        "image_clean": "AM-2k/train/original_denoise/m_{:08d}.jpg",
        "foreground_clean": "AM-2k/train/fg_denoise/m_{:08d}.png",
    },
    "validation": {
        "image": "AM-2k/validation/original/m_{:08d}.jpg",
        "alpha": "AM-2k/validation/mask/m_{:08d}.png",
        "trimap": "AM-2k/validation/trimap/m_{:08d}.png",
    },
    "background": {
        "photo": "BG-20k/train/h_{:08d}.jpg",
        "clean": "BG-20k/train_denoise/h_{:08d}.jpg",
    },
    "testval": {"photo": "BG-20k/testval/h_{:08d}.jpg"},
    "coco": {"photo": "COCO/train/{:012d}.jpg"},
}
"""The pictures of each kind of drawing, and the file of each picture."""


@dataclass(frozen=True)
class DemoSize:
    """Numbers and sizes (pixels) of the images.

    Attributes:
        num_train: Photos of animals for training.
        num_validation: Photos of animals for validation.
        num_backgrounds: Scenes for training; ``testval`` gets a tenth as many, but at least one.
        num_coco: Scenes of 480 × 640 pixels.
        height: Height of the animal photos; every fifth is in portrait format, with height and
            width swapped.
        width: Width of the animal photos.
        background_height: Height of the scenes.
        background_width: Width of the scenes.
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
    """One photo to draw: its kind (a key of ``FILES``), seed, number, and size in pixels."""

    kind: str
    seed: int
    index: int
    height: int
    width: int

    @property
    def files(self) -> dict[str, str]:
        """The path of each picture, relative to the folder of the demo."""
        number = self.index + self.is_animal
        return {name: path.format(number) for name, path in FILES[self.kind].items()}

    @property
    def is_animal(self) -> bool:
        """Whether it shows an animal; animal files are numbered from 1, scenes from 0."""
        return self.kind in ("train", "validation")


def drawings(size: DemoSize, seed: int) -> Iterator[Drawing]:
    """Yield every drawing of the demo."""
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


def draw_files(folder: Path, drawing: Drawing) -> None:
    """Draw a photo and write its files into ``folder``, whose subfolders must exist."""
    place = (drawing.seed, drawing.index, drawing.height, drawing.width)
    if drawing.is_animal:
        pictures = dict(vars(draw_sample(*place)))
        if drawing.kind == "validation":
            pictures["trimap"] = trimap_from_alpha(pictures["alpha"], TT.kernel_size)
    else:
        pictures = dict(zip(("photo", "clean"), draw_background(*place), strict=True))
    for name, path in drawing.files.items():
        if path.endswith(".png"):
            write_png(folder / path, pictures[name])
        else:
            write_jpeg(folder / path, pictures[name], quality=95 if drawing.is_animal else 92)
