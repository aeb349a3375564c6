"""Composition, labels and crops are right for mattes of any size and content."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gfm.data.compositing import add_noise, blend
from gfm.data.matte import Matte
from gfm.data.transforms import Crop, JointTransform, Window, choose_window
from gfm.data.trimap import trimap_from_alpha
from gfm.rosta import TT
from tests.reliability.fuzzing import SEEDS, colours, mattes, tries

KERNELS = st.integers(1, 51)


def matte_of(alpha: np.ndarray) -> Matte:
    """Return a matte as it is read from a photo that is not packed."""
    own = object.__new__(Matte)
    own.alpha, own.labels = alpha, {}
    return own


@tries(150)
@given(mattes, SEEDS)
def test_a_composite_is_the_weighted_mean_of_its_layers(alpha, seed):
    foreground, background = colours(alpha.shape, seed), colours(alpha.shape, seed + 1)
    image = blend(foreground, background, alpha)
    weight = alpha[:, :, None] / 255
    exact = weight * foreground + (1 - weight) * background
    assert np.abs(image - exact).max() <= 0.5 + 1e-3
    assert np.array_equal(blend(foreground, foreground, alpha), foreground)
    flipped = blend(foreground[:, ::-1], background[:, ::-1], alpha[:, ::-1])
    assert np.array_equal(flipped, image[:, ::-1])
    other = blend(background, foreground, 255 - alpha).astype(int)
    assert np.abs(other - image).max() <= 1  # halves are rounded to one side


@tries(40)
@given(mattes, SEEDS, st.floats(0, 60))
def test_noise_stays_in_range_and_is_one_field(alpha, seed, sigma):
    layer = colours(alpha.shape, seed)
    one, other = add_noise([layer, layer], sigma, seed % 2**31)
    assert one.dtype == np.uint8
    assert np.array_equal(one, other)
    assert np.array_equal(add_noise([layer], 0, 1)[0], layer)


def _slow_trimap(alpha: np.ndarray, kernel_size: int) -> np.ndarray:
    """Make a trimap pixel by pixel; pixels beyond the border do not count."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (kernel_size, kernel_size))
    offsets = np.argwhere(kernel) - kernel_size // 2
    result = np.empty_like(alpha)
    for y, x in np.ndindex(*alpha.shape):
        ys, xs = (offsets + np.array((y, x))).T
        inside = (ys >= 0) & (xs >= 0) & (ys < alpha.shape[0]) & (xs < alpha.shape[1])
        values = alpha[ys[inside], xs[inside]]
        result[y, x] = 255 if (values == 255).all() else 128 if values.any() else 0
    return result


@tries(60)
@given(mattes, KERNELS)
def test_trimaps_are_as_defined(alpha, kernel_size):
    assert np.array_equal(trimap_from_alpha(alpha, kernel_size), _slow_trimap(alpha, kernel_size))


@tries(100)
@given(mattes, st.integers(0, 25).map(lambda n: 2 * n + 1))
def test_trimaps_are_symmetric(alpha, kernel_size):
    """A trimap flips with its matte; inverting the matte exchanges foreground and background."""
    trimap = trimap_from_alpha(alpha, kernel_size)
    for flip in (np.s_[::-1], np.s_[:, ::-1]):
        assert np.array_equal(trimap_from_alpha(alpha[flip], kernel_size), trimap[flip])
    inverse = trimap_from_alpha(255 - alpha, kernel_size)
    assert np.array_equal(inverse == 255, trimap == 0)
    assert np.array_equal(inverse == 0, trimap == 255)


@tries(100)
@given(mattes, KERNELS, st.data())
def test_the_trimap_of_a_window_is_the_window_of_the_trimap(alpha, kernel_size, data):
    top, left = (data.draw(st.integers(0, side - 1)) for side in alpha.shape)
    height = data.draw(st.integers(1, alpha.shape[0] - top))
    width = data.draw(st.integers(1, alpha.shape[1] - left))
    window = Window(top, left, height, width)
    whole = trimap_from_alpha(alpha, kernel_size)
    assert np.array_equal(matte_of(alpha).trimap(kernel_size, window), window.of(whole))


@tries(100)
@given(mattes, SEEDS)
def test_a_pixel_of_the_transition_is_drawn_if_there_is_one(alpha, seed):
    trimap = trimap_from_alpha(alpha, TT.kernel_size)
    drawn = matte_of(alpha).draw_transition(np.random.default_rng(seed))
    assert (drawn is None) == (not (trimap == 128).any())
    assert drawn is None or trimap[drawn] == 128


@tries(200)
@given(
    mattes,
    st.lists(st.integers(1, 60), min_size=1, max_size=3),
    st.sampled_from([0, 0.5, 1]),
    st.none() | st.integers(1, 60),
    SEEDS,
)
def test_windows_lie_in_the_picture(alpha, sizes, probability, fallback, seed):
    height, width = alpha.shape
    window = choose_window(
        matte_of(alpha), sizes, probability, np.random.default_rng(seed), fallback
    )
    assert window.height == window.width >= 1
    assert 0 <= window.top <= height - window.height
    assert 0 <= window.left <= width - window.width
    assert window.height in {*sizes, fallback, min(height, width)}
    trimap = trimap_from_alpha(alpha, TT.kernel_size)
    if probability == 1 and (trimap == 128).any():
        assert (window.of(trimap) == 128).any()


@tries(120)
@given(st.integers(1, 9), st.integers(1, 12), st.integers(0, 5), SEEDS)
def test_a_crop_keeps_all_pixels_that_count(step, input_size, margin, seed):
    side = step * input_size
    picture = colours((side + 2 * margin, side + margin), seed)
    window = Window(margin, 0, side, side)
    size = (input_size, input_size)
    crop = Crop(window, input_size, "linear")
    assert np.array_equal(cv2.resize(crop.of(picture), size), cv2.resize(window.of(picture), size))
    labels, nearest = picture[:, :, 0], cv2.INTER_NEAREST_EXACT
    picked = crop.subsample_labels(window.of(labels))
    expected = cv2.resize(window.of(labels), size, interpolation=nearest)
    assert np.array_equal(cv2.resize(picked, size, interpolation=nearest), expected)


@pytest.mark.parametrize("interpolation", ["linear", "area"])
def test_arrays_of_a_sample_are_transformed_alike(interpolation):
    transforms = {size: JointTransform(size, 0.5, interpolation) for size in (1, 7, 16)}

    @tries(60)
    @given(mattes, st.sampled_from(list(transforms)), SEEDS)
    def check(alpha, size, seed):
        side = min(alpha.shape)
        alpha = np.ascontiguousarray(alpha[:side, :side])
        image = np.repeat(alpha[:, :, None], 3, axis=2)
        trimap = trimap_from_alpha(alpha, 5)
        arrays = {"image": image, "alpha": alpha, "trimap_5": trimap}
        found = transforms[size](arrays, seed % 2**31)
        assert {v.shape[:2] for v in found.values()} == {(size, size)}
        assert all(v.dtype == np.uint8 for v in found.values())
        assert all(np.array_equal(found["image"][:, :, i], found["alpha"]) for i in range(3))
        assert set(np.unique(found["trimap_5"])) <= set(np.unique(trimap))
        assert alpha.min() <= found["alpha"].min() <= found["alpha"].max() <= alpha.max()

    check()
