"""Smoothed mattes flicker less, and do not mix scenes at a cut."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from gfm.inference.video.smoothing import Smoother, _shrink, _warp
from tests.inference.video.moving import Moving, draw_moving, flicker, sad


@pytest.fixture(scope="module")
def clip() -> Moving:
    return draw_moving(8, 72, 108)


@pytest.fixture(scope="module")
def guessed(clip) -> list[np.ndarray]:
    """Mattes with errors in soft regions, independent in every frame."""
    rng = np.random.default_rng(0)
    soft = [4 * alpha * (1 - alpha) for alpha in clip.alphas]
    noise = [0.3 * rng.standard_normal(alpha.shape, np.float32) for alpha in clip.alphas]
    pairs = zip(clip.alphas, noise, soft, strict=True)
    return [(alpha + off * where).clip(0, 1) for alpha, off, where in pairs]


def tensor(frame: np.ndarray) -> Tensor:
    return torch.from_numpy(frame).permute(2, 0, 1)[None]


def smooth_mattes(frames: list[np.ndarray], alphas: list[np.ndarray]) -> list[np.ndarray]:
    smooth = Smoother()
    pairs = zip(frames, alphas, strict=True)
    return [smooth(tensor(f), torch.from_numpy(a)[None, None])[0, 0].numpy() for f, a in pairs]


def test_flicker_and_error_decrease(clip, guessed):
    smooth = smooth_mattes(clip.frames, guessed)
    assert flicker(smooth, clip.alphas) < 0.7 * flicker(guessed, clip.alphas)
    assert sad(smooth, clip.alphas) < sad(guessed, clip.alphas)


def test_motion_is_followed(clip):
    """Without motion, previous mattes would leave a trail of the animal."""
    still = [clip.frames[0]] * len(clip.frames)
    followed = smooth_mattes(clip.frames, clip.alphas)
    assert sad(followed, clip.alphas) < 0.4 * sad(smooth_mattes(still, clip.alphas), clip.alphas)


def test_a_cut_resets_the_filter(clip):
    other = draw_moving(1, 72, 108, index=1)
    alphas = [clip.alphas[0], other.alphas[0]]
    after = smooth_mattes([clip.frames[0], other.frames[0]], alphas)[1]
    assert np.abs(after - other.alphas[0]).mean() < 0.02


def test_the_first_frame_is_unchanged(clip, guessed):
    np.testing.assert_array_equal(smooth_mattes(clip.frames[:1], guessed[:1])[0], guessed[0])


def test_motion_of_large_frames_is_estimated_at_a_smaller_size(monkeypatch, clip, guessed):
    """The mattes keep their size and are still smoothed."""
    monkeypatch.setattr("gfm.inference.video.smoothing._SHORTER_SIDE", 36)
    smooth = smooth_mattes(clip.frames, guessed)
    assert smooth[0].shape == (72, 108)
    assert flicker(smooth, clip.alphas) < 0.9 * flicker(guessed, clip.alphas)


def test_small_pictures_stay_on_apples_gpus():
    """Fake tensors stand for the GPU."""
    with FakeTensorMode():
        image = torch.zeros((1, 3, 720, 1280), dtype=torch.uint8, device="mps")
        assert _shrink(image).device.type == "mps"


def test_the_border_is_repeated_without_the_mode_that_apples_gpus_lack(monkeypatch):
    flow = 9 * torch.randn((1, 2, 6, 8), generator=torch.Generator().manual_seed(0))
    values = torch.rand((1, 1, 6, 8), generator=torch.Generator().manual_seed(1))
    sample, modes = F.grid_sample, []

    def sample_border(*arguments, padding_mode, **options):
        modes.append(padding_mode)
        return sample(*arguments, padding_mode=padding_mode, **options)

    monkeypatch.setattr(F, "grid_sample", sample_border)
    y, x = torch.meshgrid(torch.arange(6), torch.arange(8), indexing="ij")
    places = torch.stack([2 * (x + flow[0, 0]) + 1, 2 * (y + flow[0, 1]) + 1], -1)[None]
    grid = places / torch.tensor([8, 6]) - 1
    expected = sample(values, grid, padding_mode="border", align_corners=False)
    torch.testing.assert_close(_warp(values, flow), expected)
    assert modes == ["zeros"]


@pytest.mark.parametrize("size", [(1, 1), (8, 40), (360, 20), (16, 720)])
def test_frames_too_narrow_for_the_optical_flow(size):
    """For some of them OpenCV would raise an error, and for others crash the process."""
    smooth, alpha = Smoother(), torch.rand(1, 1, *size)
    image = torch.randint(255, (1, 3, *size), dtype=torch.uint8)
    smooth(image, torch.ones_like(alpha))
    result = smooth(image, alpha)
    torch.testing.assert_close(result, torch.lerp(alpha, torch.ones_like(alpha), 0.7))
