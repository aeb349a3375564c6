"""Fitting a background to a photo, and blurring it."""

import cv2
import numpy as np
import pytest
from skimage.transform import resize

from gfm.data.backgrounds import fit_background, read_background
from gfm.data.compositing import Parts, blur
from gfm.data.images import write_array, write_png
from gfm.data.transforms import Crop, Window


@pytest.mark.parametrize(
    ("shape", "size"), [((150, 100), (40, 120)), ((100, 150), (120, 40)), ((160, 150), (40, 151))]
)
def test_a_side_that_shrinks_does_not_alias_where_the_other_grows(tmp_path, shape, size):
    """The result is as close to scikit-image, which smooths each side separately, as others are."""
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (*shape, 3), np.uint8)
    path = tmp_path / "scene.png"
    write_png(path, picture)
    expected = resize(picture, size) * 255
    gap = np.abs(fit_background(path, size) - expected).mean()
    assert gap < 9  # of noise; without a filter on the side that shrinks 32 and more
    assert fit_background(path, size).shape == (*size, 3)


@pytest.mark.parametrize(
    ("shape", "size", "gap"),
    [
        ((128, 192), (108, 162), 1),  # edges of pixels meet every 27 pixels
        ((90, 150), (200, 300), 1),
        ((400, 600), (108, 162), 1),
        ((160, 150), (40, 151), 8),  # and here to 1/64 of a pixel: two steps of 255/64
        ((211, 307), (199, 301), 8),
    ],
)
def test_a_window_of_a_fitted_background_is_that_of_the_whole(tmp_path, shape, size, gap):
    rng = np.random.default_rng(0)
    path = tmp_path / "scene.png"
    write_png(path, rng.integers(0, 256, (*shape, 3), np.uint8))
    whole = fit_background(path, size)
    for _ in range(40):
        height, width = (int(rng.integers(1, side + 1)) for side in size)
        top, left = (
            int(rng.integers(b - a + 1)) for a, b in zip((height, width), size, strict=True)
        )
        window = Window(top, left, height, width)
        part = fit_background(path, size, window)
        assert np.abs(part.astype(int) - window.of(whole)).max() <= gap


def test_a_small_window_reads_little_of_a_background(tmp_path, monkeypatch):
    write_array(tmp_path / "scene.npy", np.zeros((1280, 1920, 3), np.uint8))
    seen, resize = [], cv2.resize
    monkeypatch.setattr(
        "gfm.data.backgrounds.cv2.resize", lambda a, *b, **c: seen.append(a) or resize(a, *b, **c)
    )
    fit_background(tmp_path / "scene.npy", (1080, 1620), Window(500, 700, 100, 100))
    (part,) = seen
    assert part.shape[0] < 200
    assert part.shape[1] < 200


@pytest.mark.parametrize("blur_size", [1, 4, 15, 60])
@pytest.mark.parametrize("place", [(0, 0), (7, 30), (24, 50)])
def test_a_window_is_blurred_as_in_the_whole_picture(tmp_path, blur_size, place):
    path = tmp_path / "scene.png"
    write_png(path, np.random.default_rng(0).integers(0, 256, (40, 66, 3), np.uint8))
    whole = cv2.blur(fit_background(path, (40, 66)), (blur_size, blur_size))
    window = Window(*place, 16, 16)
    crop = Crop(window, 16, "linear")
    background = read_background(path, (40, 66), crop, blur_size)
    parts = blur(Parts(background, background, blur_size), crop)
    assert np.array_equal(parts.background, window.of(whole))


def test_a_background_of_less_detail_has_the_same_size_and_mean(tmp_path):
    rng = np.random.default_rng(0)
    write_png(tmp_path / "scene.png", rng.integers(0, 256, (100, 150, 3), np.uint8))
    full, coarse = (fit_background(tmp_path / "scene.png", (100, 150), None, d) for d in (1, 0.4))
    assert coarse.shape == full.shape
    assert coarse.mean() == pytest.approx(full.mean(), abs=2)
    assert coarse.std() < full.std() / 2
    window = Window(20, 70, 30, 40)
    part = fit_background(tmp_path / "scene.png", (100, 150), window, 0.4)
    assert np.array_equal(part, window.of(coarse))
