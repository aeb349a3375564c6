"""Windows and the joint flip and resize."""

import numpy as np
import pytest

from gfm.data.transforms import JointTransform, Window, choose_window
from gfm.errors import GFMError


class _Matte:
    """A matte whose transition region is a few points."""

    def __init__(self, height=100, width=150, points=((40, 90),)):
        self.alpha = np.zeros((height, width), np.uint8)
        self.points = points

    def draw_transition(self, rng):
        return self.points[rng.integers(len(self.points))] if self.points else None


def test_window_is_centred_on_the_transition():
    window = choose_window(_Matte(), [32], 1.0, np.random.default_rng(0))
    assert window == Window(40 - 16, 90 - 16, 32, 32)


def test_window_stays_inside():
    rng = np.random.default_rng(0)
    for points in [((0, 0),), ((99, 149),), ((99, 0),)]:
        window = choose_window(_Matte(points=points), [64], 1.0, rng)
        assert 0 <= window.top <= 100 - 64
        assert 0 <= window.left <= 150 - 64


def test_all_sizes_and_places_occur():
    rng = np.random.default_rng(0)
    windows = [choose_window(_Matte(), [16, 32, 999], 0.5, rng) for _ in range(300)]
    assert {w.height for w in windows} == {16, 32}
    centred = np.mean([w.top + w.height // 2 == 40 for w in windows])
    assert centred == pytest.approx(0.5, abs=0.1)


def test_small_photo_gives_its_shorter_side():
    window = choose_window(_Matte(20, 30, ()), [640], 1.0, np.random.default_rng(0))
    assert (window.height, window.width) == (20, 20)


def official_window(matte, sizes, rng) -> Window:
    """The window of the official order, drawn by one NumPy generator instead of two."""
    height, width = matte.shape
    size = int(rng.choice(sizes))
    size = size if size < min(height, width) else 320
    places = matte[: height - size, : width - size]
    target = np.where(places == 128) if rng.random() < 0.5 else np.where(places > -100)
    if not len(target[0]):
        target = np.where(places > -100)
    index = rng.integers(len(target[0]))
    return Window(int(target[0][index]), int(target[1][index]), size, size)


@pytest.mark.parametrize("shape", [(1080, 1620), (960, 1080), (641, 700)])
def test_a_fallback_size_gives_the_official_sizes(shape):
    """With AM-2k's 1080 rows, a third of all windows have 320 pixels, because 1280 never fits."""
    sizes, rng = [640, 960, 1280], np.random.default_rng(0)
    matte, num = _Matte(*shape, points=()), 900
    ours = [choose_window(matte, sizes, 0.5, rng, fallback_size=320).height for _ in range(num)]
    theirs = [official_window(matte.alpha, sizes, rng).height for _ in range(num // 10)]
    assert set(ours) == set(theirs)
    for size in set(ours):
        fitting = [s if s < shape[0] else 320 for s in sizes].count(size)
        assert ours.count(size) / num == pytest.approx(fitting / 3, abs=0.06)


def test_a_fallback_size_that_does_not_fit_either_is_the_shorter_side():
    window = choose_window(_Matte(20, 30, ()), [640], 1.0, np.random.default_rng(0), 320)
    assert (window.height, window.width) == (20, 20)


@pytest.mark.parametrize("points", [(), ((40, 90),)])
def test_corners_of_windows_that_are_not_centred_are_uniform(points):
    """Also if a photo has no transition to centre on."""
    rng, num = np.random.default_rng(0), 4000
    probability = 0.0 if points else 1.0
    matte = _Matte(points=points)
    windows = [choose_window(matte, [91], probability, rng) for _ in range(num)]
    tops = np.bincount([w.top for w in windows], minlength=10)
    lefts = np.bincount([w.left for w in windows], minlength=60)
    for counts, places in ((tops, 10), (lefts, 60)):
        assert len(counts) == places
        # Chi squared of a uniform draw has mean places - 1, and a variance of twice that.
        chi = ((counts - num / places) ** 2).sum() * places / num
        assert chi < places - 1 + 5 * np.sqrt(2 * places)


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    ramp = np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))
    trimap = rng.choice(np.array([0, 128, 255], np.uint8), (64, 64))
    return {"image": np.dstack([ramp] * 3), "alpha": ramp, "trimap_25": trimap}


def test_one_draw_for_all(arrays):
    flips = []
    for seed in range(40):
        result = JointTransform(32)(arrays, seed)
        np.testing.assert_array_equal(result["image"][:, :, 0], result["alpha"])
        flips.append(bool(result["alpha"][0, 0] > result["alpha"][0, -1]))
        again = JointTransform(32)(arrays, seed)
        np.testing.assert_array_equal(result["alpha"], again["alpha"])
    assert np.mean(flips) == pytest.approx(0.5, abs=0.25)


def test_label_maps_get_no_new_values(arrays):
    result = JointTransform(41)(arrays, 0)
    assert set(np.unique(result["trimap_25"])) == {0, 128, 255}
    assert {array.shape[:2] for array in result.values()} == {(41, 41)}


def test_area_averages(arrays):
    checks = np.indices((64, 64)).sum(axis=0) % 2 * np.uint8(254)
    arrays["alpha"] = checks.astype(np.uint8)
    result = JointTransform(8, 0.0, "area")(arrays, 0)
    assert set(np.unique(result["alpha"])) == {127}


def test_area_enlarges_linearly(arrays):
    linear, area = (JointTransform(100, 0.0, kind)(dict(arrays), 0) for kind in ("linear", "area"))
    for name, array in linear.items():
        np.testing.assert_array_equal(area[name], array)


def test_impossible_input_size():
    with pytest.raises(GFMError, match="input size"):
        JointTransform(0)
