"""Pictures of every kind that a dataset may hold, and packed ones."""

import mmap

import cv2
import numpy as np
import pytest
from PIL import Image

from gfm.data.images import (
    image_size,
    open_array,
    read_alpha,
    read_image,
    write_array,
    write_jpeg,
    write_png,
)
from gfm.errors import GFMError

RAMP = np.arange(8 * 12, dtype=np.uint8).reshape(8, 12) * 2
COLOURS = np.dstack([RAMP, RAMP[::-1], 255 - RAMP])


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".Png"])
def test_colours_come_in_rgb(tmp_path, suffix):
    Image.fromarray(COLOURS).save(tmp_path / f"x{suffix}")
    np.testing.assert_array_equal(read_image(tmp_path / f"x{suffix}"), COLOURS)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".JPG", ".JPEG"])
def test_jpeg(tmp_path, suffix):
    write_jpeg(tmp_path / f"x{suffix}", COLOURS)
    error = np.abs(read_image(tmp_path / f"x{suffix}").astype(int) - COLOURS)
    assert error.mean() < 4


def test_palette(tmp_path):
    indices = (RAMP // 64).astype(np.uint8)
    palette = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 8, 7]], np.uint8)
    picture = Image.fromarray(indices, "P")
    picture.putpalette(palette.tobytes())
    picture.save(tmp_path / "x.png")
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), palette[indices])
    greys = Image.fromarray(indices, "P")
    greys.putpalette(np.repeat(np.array([[0], [85], [170], [255]], np.uint8), 3, 1).tobytes())
    greys.save(tmp_path / "alpha.png")
    np.testing.assert_array_equal(read_alpha(tmp_path / "alpha.png"), indices * 85)


def test_cmyk(tmp_path):
    flat = np.full((16, 16, 3), (200, 60, 30), np.uint8)
    Image.fromarray(flat).convert("CMYK").save(tmp_path / "x.jpg", quality=95)
    image = read_image(tmp_path / "x.jpg")
    assert image.shape == (16, 16, 3)
    assert np.abs(image.astype(int) - flat).max() <= 12


def test_sixteen_bits(tmp_path):
    cv2.imwrite(str(tmp_path / "x.png"), COLOURS[:, :, ::-1].astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), COLOURS)
    cv2.imwrite(str(tmp_path / "alpha.png"), RAMP.astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_alpha(tmp_path / "alpha.png"), RAMP)


def test_the_size_of_a_file_that_is_not_a_picture(tmp_path):
    (tmp_path / "x.jpg").write_bytes(b"no picture")
    with pytest.raises(GFMError, match=r"x\.jpg: not a picture"):
        image_size(tmp_path / "x.jpg")
    with pytest.raises(GFMError, match=r"y\.jpg: No such file"):
        image_size(tmp_path / "y.jpg")


def test_packed_pictures_are_mapped(tmp_path):
    write_array(tmp_path / "x.npy", COLOURS)
    write_array(tmp_path / "alpha.npy", RAMP)
    mapped = open_array(tmp_path / "x.npy")
    root = mapped
    while isinstance(root, np.ndarray):
        root = root.base
    assert isinstance(root.obj, mmap.mmap)  # of a memoryview
    assert not mapped.flags.writeable
    np.testing.assert_array_equal(read_image(tmp_path / "x.npy"), COLOURS)
    np.testing.assert_array_equal(read_alpha(tmp_path / "alpha.npy"), RAMP)
    assert image_size(tmp_path / "x.npy") == image_size(tmp_path / "alpha.npy") == (8, 12)


def test_wrong_packed_pictures(tmp_path):
    write_array(tmp_path / "x.npy", COLOURS)
    with pytest.raises(GFMError, match=r"x\.npy .*pack it again, .* uint8 of shape H×W"):
        read_alpha(tmp_path / "x.npy")
    write_array(tmp_path / "deep.npy", COLOURS.astype(np.uint16))
    with pytest.raises(GFMError, match="uint16"):
        read_image(tmp_path / "deep.npy")
    data = (tmp_path / "x.npy").read_bytes()
    for length in (0, 20, 200):
        (tmp_path / "cut.npy").write_bytes(data[:length])
        with pytest.raises(GFMError, match=r"cut\.npy"):
            open_array(tmp_path / "cut.npy")
    with pytest.raises(GFMError, match="No such file"):
        open_array(tmp_path / "none.npy")


def test_writing_is_lossless(tmp_path):
    write_png(tmp_path / "x.png", COLOURS)
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), COLOURS)
    assert [p.name for p in tmp_path.iterdir()] == ["x.png"]
