"""Resizing, inferers and fusion are right for photos of any size."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.transform import resize as skimage_resize
from torch import Tensor

from gfm.data.trimap import trimap_from_alpha
from gfm.inference import Hybrid, Native, Resize
from gfm.inference.dense_resizing import resize_densely
from gfm.inference.detail import enlarge, limit_size, shrink
from gfm.inference.foreground import estimate_foreground
from gfm.inference.resizing import resize, scaled_size
from gfm.models.fusion import MattingOutput, classify, fuse
from gfm.rosta import BT, FT, ROSTAS, TT
from tests.reliability.fuzzing import SEEDS, SIDES, mattes, tries

SIZES = st.tuples(SIDES, SIDES)


def noise(*shape: int, seed: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random(shape, dtype=np.float32))


def close(one: Tensor, other: Tensor, tolerance: float = 1e-5) -> bool:
    return one.shape == other.shape and bool(((one - other).abs() <= tolerance).all())


class Pointwise:
    """A network that sees no neighbours, so that flips and batches change nothing."""

    def __init__(self, rosta: str) -> None:
        self.branches = ROSTAS[rosta]

    def run_glance(self, image: Tensor) -> list[Tensor]:
        red, green, blue = image.unbind(1)
        logits = [4 * red - 1, green + blue, 3 * blue]
        return [torch.stack(logits[: b.num_classes], dim=1) for b in self.branches]

    def run_focus(self, image: Tensor) -> list[Tensor]:
        return [(8 * image[:, :1] - 4 * image[:, 1:2]) * (i + 1) for i in range(len(self.branches))]

    def integrate(self, alphas: list[Tensor]) -> Tensor:
        return 2 * alphas[0] - alphas[-1] if len(alphas) > 1 else alphas[0]

    def __call__(self, image: Tensor) -> MattingOutput:
        glances, focuses = self.run_glance(image), self.run_focus(image)
        found = {
            b.name: fuse(b, g, f) for b, g, f in zip(self.branches, glances, focuses, strict=True)
        }
        return MattingOutput(self.integrate([f.alpha for f in found.values()]), found)


@tries(100)
@given(SIZES, SIZES, SEEDS)
def test_resizing_is_that_of_scikit_image(size, target, seed):
    image = noise(2, 1, *size, seed=seed)
    found = resize(image, target)
    for one, own in zip(image, found, strict=True):
        expected = skimage_resize(one[0].double().numpy(), target)
        assert np.abs(own[0].numpy() - expected).max() <= 1e-5
    assert found.min() >= image.min() - 1e-6
    assert found.max() <= image.max() + 1e-6


@tries(60)
@given(SIZES, SIZES, SEEDS)
def test_resizing_commutes_with_flips_and_batches(size, target, seed):
    image = noise(2, 3, *size, seed=seed)
    found = resize(image, target)
    assert close(resize(image.flip(3), target), found.flip(3))
    assert close(resize(image.flip(2), target), found.flip(2))
    assert torch.equal(resize(image[1:], target), found[1:])
    assert close(resize(image.mT, target[::-1]).mT, found)
    assert torch.equal(resize(image, size), image)
    constant = torch.full_like(image, float(image[0, 0, 0, 0]))
    assert close(resize(constant, target), torch.full_like(found, float(constant[0, 0, 0, 0])))


@tries(40)
@given(SIZES, st.tuples(*[st.integers(32, 50)] * 2), SEEDS)
def test_both_ways_of_resizing_are_one(size, target, seed):
    image = noise(1, 2, *size, seed=seed)
    assert close(resize_densely(image, target), resize(image, target))


@tries(200)
@given(
    st.integers(1, 10_000),
    st.integers(1, 10_000),
    st.floats(0.01, 2),
    st.integers(32, 4000),
)
def test_scaled_sizes_are_multiples_of_32(height, width, scale, max_size):
    sizes = scaled_size(height, width, scale, max_size)
    for side, found in zip((height, width), sizes, strict=True):
        assert found % 32 == 0
        assert 32 <= found <= max(32, max_size)
        assert found <= max(32, side * scale * (1 + 1e-5))
        assert found == 32 or found > side * scale * (1 - 1e-5) - 32 or found > max_size - 32


INFERERS = {"hybrid": Hybrid(), "resize": Resize(), "native": Native(), "small": Resize(0.4, 64)}


@pytest.mark.parametrize("rosta", ROSTAS)
@pytest.mark.parametrize("inferer", INFERERS)
def test_inferers_return_the_size_and_the_range_of_mattes(inferer, rosta):
    matted, model = INFERERS[inferer], Pointwise(rosta)

    @tries(8)
    @given(st.tuples(*[st.integers(1, 130)] * 2), SEEDS)
    def check(size, seed):
        image = noise(2, 3, *size, seed=seed)
        found = matted(model, image)
        for part in (*found[:3], *found.alphas.values()):
            assert part.shape == (2, 1, *size)
            assert part.dtype == torch.float32
            assert 0 <= float(part.min()) <= float(part.max()) <= 1
        assert close(matted(model, image[:1]).alpha, found.alpha[:1])
        # Rounding may change the chosen class where two are almost equally likely.
        changed = (matted(model, image.flip(3)).alpha.flip(3) - found.alpha).abs() > 1e-3
        assert changed.float().mean() <= 0.02

    check()


@tries(100)
@given(mattes, st.integers(1, 51))
def test_perfect_decoders_fuse_to_the_matte(alpha, kernel_size):
    trimap = torch.from_numpy(trimap_from_alpha(alpha, kernel_size))[None, None]
    truth = torch.from_numpy(alpha)[None, None] / 255
    for rosta in (TT, FT, BT):
        glance = rosta.glance_target(trimap).float() / (rosta.num_classes - 1)
        focus = rosta.focus_target(truth, trimap)
        assert close(rosta.fuse(glance, focus), truth, 1e-6)


@tries(60)
@given(SIZES, SEEDS)
def test_fused_alpha_lies_in_range_whatever_the_decoders_say(size, seed):
    for rosta in (TT, FT, BT):
        logits = 40 * noise(2, rosta.num_classes, *size, seed=seed) - 20
        found = fuse(rosta, logits, 40 * noise(2, 1, *size, seed=seed + 1) - 20)
        assert 0 <= float(found.alpha.min()) <= float(found.alpha.max()) <= 1
        assert set(classify(logits).unique().tolist()) <= {0, 0.5, 1}
        enlarged = noise(2, 1, *size, seed=seed + 2)
        alpha = rosta.fuse(enlarged, found.focus)
        assert 0 <= float(alpha.min()) <= float(alpha.max()) <= 1


@tries(60)
@given(SIZES, st.integers(1, 40), SEEDS)
def test_large_pictures_are_shrunk_and_mattes_enlarged(size, max_size, seed):
    height, width = limit_size(*size, max_size)
    assert min(height, width) == min(max_size, *size)
    image = noise(2, 3, *size, seed=seed)
    small = shrink(image, max_size)
    assert small.shape == (2, 3, height, width)
    assert 0 <= float(small.min()) <= float(small.max()) <= 1
    alpha = noise(2, 1, height, width, seed=seed + 1)
    large = enlarge(alpha, small, image)
    assert large.shape == (2, 1, *size)
    assert 0 <= float(large.min()) <= float(large.max()) <= 1
    assert close(enlarge(alpha[1:], small[1:], image[1:]), large[1:], 1e-4)
    flipped = enlarge(alpha.flip(3), small.flip(3), image.flip(3)).flip(3)
    assert close(flipped, large, 1e-3)
    constant = torch.full_like(alpha, 0.25)
    assert close(enlarge(constant, small, image), torch.full_like(large, 0.25), 1e-4)


@tries(40)
@given(SIZES, SEEDS)
def test_colours_of_the_foreground_lie_in_range(size, seed):
    image, alpha = noise(2, 3, *size, seed=seed), noise(2, 1, *size, seed=seed + 1)
    found = estimate_foreground(image, alpha)
    assert found.shape == image.shape
    assert 0 <= float(found.min()) <= float(found.max()) <= 1
    assert close(estimate_foreground(image[1:], alpha[1:]), found[1:])
    assert close(estimate_foreground(image, torch.ones_like(alpha)), image)
