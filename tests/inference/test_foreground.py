"""Estimated colours of cut-outs against the true ones of drawn animals."""

import sys

import numpy as np
import pytest
import torch

from gfm.animals.sample import draw_sample
from gfm.errors import GFMError
from gfm.inference import blur_fusion, strips
from gfm.inference.foreground import estimate_foreground
from tests.benchmarks.bench_cutouts import colour_error, tensor


@pytest.fixture(scope="module")
def sample():
    return draw_sample(3, 0, 240, 360)


@pytest.fixture(scope="module")
def estimated(sample):
    return estimate_foreground(tensor(sample.image), tensor(sample.alpha) / 255)


def test_blur_fusion_is_closer_than_the_photo(sample, estimated):
    """The gain is larger in larger photos; docs/predicting.md has the table."""
    photo = colour_error(sample, tensor(sample.image) / 255)
    assert colour_error(sample, estimated) < 0.7 * photo


def test_multi_level_is_closer_than_the_photo(sample, monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")  # the first import would compile for half a minute
    pytest.importorskip("pymatting", reason="wants the extra 'prepare'")
    colours = estimate_foreground(tensor(sample.image), tensor(sample.alpha) / 255, "ml")
    photo = colour_error(sample, tensor(sample.image) / 255)
    assert colour_error(sample, colours) < 0.7 * photo


def test_opaque_pixels_keep_their_colours_and_distant_ones_are_black(sample, estimated):
    image, alpha = tensor(sample.image) / 255, tensor(sample.alpha)
    opaque = (alpha == 255).expand_as(image)
    assert torch.equal(estimated[opaque], image[opaque])
    far = torch.nn.functional.max_pool2d((alpha > 0).float(), 13, 1, 6) == 0
    assert far.any()
    assert not estimated[far.expand_as(image)].any()


def test_equals_the_equations_of_the_paper(monkeypatch):
    """Cells have one pixel, and the expected means are computed pixel by pixel."""
    monkeypatch.setattr(blur_fusion, "_CELLS", (1, 1))
    monkeypatch.setattr(blur_fusion, "_RADII", (4, 2))
    monkeypatch.setattr(blur_fusion, "_SHORTER_SIDE", 12)
    rng = np.random.default_rng(0)
    image, alpha = rng.random((12, 15, 3)), rng.random((12, 15, 1))
    fore = back = image
    for radius in (4, 2):
        means = []
        for colours, weights in ((fore, alpha), (back, 1 - alpha)):
            mean = np.empty_like(image)
            for y, x in np.ndindex(12, 15):
                near = np.s_[
                    max(y - radius, 0) : y + radius + 1, max(x - radius, 0) : x + radius + 1
                ]
                mean[y, x] = (colours * weights)[near].sum((0, 1)) / weights[near].sum((0, 1))
            means.append(mean)
        off = image - alpha * means[0] - (1 - alpha) * means[1]
        fore, back = np.clip(means[0] + alpha * off, 0, 1), means[1]
    own = estimate_foreground(*(torch.from_numpy(x).permute(2, 0, 1)[None] for x in (image, alpha)))
    np.testing.assert_allclose(own[0].permute(1, 2, 0), fore, atol=1e-5)


def test_strips_make_no_seams(sample, estimated, monkeypatch):
    tall = [tensor(np.tile(x, (3, 1, 1)[: x.ndim])) for x in (sample.image, sample.alpha)]
    whole = estimate_foreground(tall[0], tall[1] / 255)
    monkeypatch.setattr(strips, "_STRIP_PIXELS", 360 * 200)
    torch.testing.assert_close(estimate_foreground(tall[0], tall[1] / 255), whole)


def test_strips_are_small_only_on_cpus(sample, estimated, monkeypatch):
    """On a GPU, small strips would launch thousands of kernels."""
    photos = [torch.empty(1, 3, 1080, 1620, device=device) for device in ("cpu", "meta")]
    assert [len(list(blur_fusion._cut_cached_strips(photo, 2))) for photo in photos] == [18, 1]
    monkeypatch.setattr(blur_fusion, "_CACHED_PIXELS", None)
    large = estimate_foreground(tensor(sample.image), tensor(sample.alpha) / 255)
    torch.testing.assert_close(large, estimated)


def test_empty_and_full_mattes(sample):
    image = tensor(sample.image)
    assert not estimate_foreground(image, torch.zeros(1, 1, 240, 360)).any()
    assert torch.equal(estimate_foreground(image, torch.ones(1, 1, 240, 360)), image / 255)


def test_missing_pymatting(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymatting.foreground.estimate_foreground_ml", None)
    with pytest.raises(GFMError, match=r"ml needs pymatting.*: pip install"):
        estimate_foreground(torch.zeros(1, 3, 8, 8), torch.ones(1, 1, 8, 8), "ml")
