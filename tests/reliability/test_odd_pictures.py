"""All readers see the same in valid pictures of unusual kinds and sizes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gfm.data.images import image_size, read_alpha, read_image

SIDES = (20, 30)  # height, width


def ramp() -> np.ndarray:
    """Return a smooth picture, which JPEG keeps well."""
    height, width = SIDES
    y, x = np.mgrid[:height, :width]
    return np.dstack([y * 8 + 40, x * 5 + 40, (y + x) * 3 + 40]).astype(np.uint8)


def _turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(ramp())).save(path, exif=exif)


def _animated(path: Path) -> None:
    others = [Image.fromarray(255 - ramp())]
    Image.fromarray(ramp()).save(path, save_all=True, append_images=others)


def _transparent(path: Path) -> None:
    opacity = np.full(SIDES, 90, np.uint8)
    Image.fromarray(np.dstack([ramp(), opacity]), "RGBA").save(path)


KINDS = {
    "RGB": lambda path: Image.fromarray(ramp()).save(path),
    "RGBA": _transparent,
    "CMYK": lambda path: Image.fromarray(ramp()).convert("CMYK").save(path, "JPEG", quality=98),
    "turned by EXIF": _turned,
    "animated": _animated,
    "JPEG called .png": lambda path: Image.fromarray(ramp()).save(path, "JPEG", quality=98),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["a.png", "写真 1 (ä).png"])
def test_photos(tmp_path, kind, name):
    path = tmp_path / name
    KINDS[kind](path)
    photo = read_image(path)
    assert photo.shape == (*SIDES, 3)
    assert np.abs(photo.astype(int) - ramp()).mean() < 4
    assert image_size(path) == SIDES


@pytest.mark.parametrize("sides", [(1, 1), (1, 5000), (5000, 1)])
def test_thin_photos(tmp_path, sides):
    array = np.full((*sides, 3), 77, np.uint8)
    Image.fromarray(array).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), array)


def test_mattes_of_sixteen_bits(tmp_path):
    matte = ramp()[:, :, 0]
    Image.fromarray(matte.astype(np.uint16) * 257).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_alpha(tmp_path / "a.png"), matte)
