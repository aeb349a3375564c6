"""Labels by window, and where windows are centred."""

import numpy as np
import pytest

from gfm.data.images import write_png
from gfm.data.layout import Photo
from gfm.data.matte import Matte
from gfm.data.transforms import Window
from gfm.data.trimap import trimap_from_alpha
from gfm.rosta import TRANSITION


def _matte(folder, alpha) -> Matte:
    write_png(folder / "alpha.png", alpha)
    return Matte(Photo("p", folder / "none.jpg", folder / "alpha.png"))


@pytest.fixture
def alpha():
    y, x = np.mgrid[:90, :120]
    return np.clip((30 - np.hypot(y - 20, x - 100)) * 25, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("kernel_size", [25, 50])
@pytest.mark.parametrize("window", [Window(0, 0, 90, 120), Window(30, 70, 20, 50)])
def test_a_window_shows_the_whole_trimap(tmp_path, alpha, kernel_size, window):
    whole = trimap_from_alpha(alpha, kernel_size)
    part = _matte(tmp_path, alpha).trimap(kernel_size, window)
    np.testing.assert_array_equal(part, window.of(whole))


def test_centres_are_spread_over_the_transition_alone(tmp_path, alpha):
    region = trimap_from_alpha(alpha, 25) == TRANSITION
    matte = _matte(tmp_path, alpha)
    rng = np.random.default_rng(0)
    points = np.array([matte.draw_transition(rng) for _ in range(4000)])
    assert region[tuple(points.T)].all()
    rows = np.bincount(points[:, 0], minlength=90) / len(points)
    assert np.abs(np.cumsum(rows) - np.cumsum(region.sum(1)) / region.sum()).max() < 0.03


def test_a_tiny_transition_is_found(tmp_path):
    alpha = np.zeros((600, 800), np.uint8)
    alpha[300, 400] = 7
    y, x = _matte(tmp_path, alpha).draw_transition(np.random.default_rng(0))
    assert abs(y - 300) <= 12
    assert abs(x - 400) <= 12


@pytest.mark.parametrize("value", [0, 255])
def test_no_transition(tmp_path, value):
    matte = _matte(tmp_path, np.full((40, 40), value, np.uint8))
    assert matte.draw_transition(np.random.default_rng(0)) is None
