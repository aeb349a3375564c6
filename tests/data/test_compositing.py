"""Fitting a background to a photo."""

import numpy as np
import pytest
from skimage.transform import resize

from gfm.data.compositing import fit_background
from gfm.data.images import write_png


@pytest.mark.parametrize(
    ("shape", "size"), [((150, 100), (40, 120)), ((100, 150), (120, 40)), ((160, 150), (40, 151))]
)
def test_a_side_that_shrinks_does_not_alias_where_the_other_grows(tmp_path, shape, size):
    """The result is as close to scikit-image, which smooths each side by itself, as others are."""
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (*shape, 3), np.uint8)
    path = tmp_path / "scene.png"
    write_png(path, picture)
    expected = resize(picture, size) * 255
    gap = np.abs(fit_background(path, size) - expected).mean()
    assert gap < 9  # of noise; without a filter on the side that shrinks 32 and more
    assert fit_background(path, size).shape == (*size, 3)


def test_a_background_of_less_detail_has_the_same_size_and_mean(tmp_path):
    rng = np.random.default_rng(0)
    write_png(tmp_path / "scene.png", rng.integers(0, 256, (100, 150, 3), np.uint8))
    full, coarse = (fit_background(tmp_path / "scene.png", (100, 150), d) for d in (1, 0.4))
    assert coarse.shape == full.shape
    assert coarse.mean() == pytest.approx(full.mean(), abs=2)
    assert coarse.std() < full.std() / 2
