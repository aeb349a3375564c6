"""Enlarged mattes of large pictures against the exact ones of drawn animals."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from gfm.animals.sample import draw_sample
from gfm.inference import strips
from gfm.inference.detail import enlarge, enlarge_linearly, limit_size, shrink
from tests.benchmarks.bench_cutouts import detail_errors, tensor


@pytest.fixture(scope="module")
def sample():
    return draw_sample(7, 0, 600, 900)


def test_more_accurate_than_linear_enlargement(sample):
    """The enlarged matte has a shorter side of 200 pixels, and is exact or soft."""
    errors = detail_errors(sample, max_size=200)
    (sad, mse), (own_sad, own_mse) = errors["exact"]
    assert own_sad < 0.6 * sad
    assert own_mse < 0.4 * mse
    (sad, mse), (own_sad, own_mse) = errors["soft"]
    assert own_sad < 0.9 * sad
    assert own_mse < 0.7 * mse


def test_constant_mattes_stay_constant(sample):
    image = tensor(sample.image)
    small = shrink(image, 200)
    for value in (0.0, 1.0):
        alpha = torch.full((1, 1, 200, 300), value)
        assert torch.equal(enlarge(alpha, small, image).unique(), torch.tensor([value]))


def test_strips_make_no_seams(sample, monkeypatch):
    image = tensor(sample.image)
    small = shrink(image, 200)
    alpha = shrink(tensor(np.repeat(sample.alpha[..., None], 3, 2)), 200)[:, :1]
    whole = enlarge(alpha, small, image)
    monkeypatch.setattr(strips, "_STRIP_PIXELS", 7 * 900)
    torch.testing.assert_close(enlarge(alpha, small, image), whole)


def test_linear_where_slopes_are_zero():
    alpha, image = torch.rand(1, 1, 17, 23), torch.full((1, 3, 50, 60), 0.5)
    own = enlarge(alpha, torch.full((1, 3, 17, 23), 0.5), image)
    torch.testing.assert_close(own, enlarge_linearly(alpha, (50, 60)))


def test_sizes():
    assert limit_size(5776, 8664, 1080) == (1080, 1620)
    assert limit_size(1620, 1080, 1080) == (1620, 1080)
    assert limit_size(3000, 2000, 1080) == (1620, 1080)
    assert limit_size(3000, 2000, None) == (3000, 2000)


def test_no_float64_on_the_device():
    """Apple's GPUs lack float64; here, the meta device stands for them."""

    class Refuse(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            output = func(*args, **kwargs or {})
            if isinstance(output, torch.Tensor) and output.is_meta:
                assert output.dtype != torch.float64, func
            return output

    with Refuse():
        alpha, small, large = (
            torch.empty(1, channels, size, size, device="meta")
            for channels, size in ((1, 20), (3, 20), (3, 40))
        )
        assert enlarge(alpha, small, large).shape == (1, 1, 40, 40)
