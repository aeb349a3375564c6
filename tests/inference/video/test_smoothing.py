"""Smoothed mattes flicker less, and nothing of another scene comes into them."""

import numpy as np
import pytest
import torch
from torch import Tensor

from gfm.inference.video.smoothing import Smoother
from tests.inference.video.moving import Moving, draw_moving, flicker, sad


@pytest.fixture(scope="module")
def clip() -> Moving:
    return draw_moving(8, 72, 108)


@pytest.fixture(scope="module")
def guessed(clip) -> list[np.ndarray]:
    """Mattes that are off where they are soft, in every frame differently."""
    rng = np.random.default_rng(0)
    soft = [4 * alpha * (1 - alpha) for alpha in clip.alphas]
    noise = [0.3 * rng.standard_normal(alpha.shape, np.float32) for alpha in clip.alphas]
    pairs = zip(clip.alphas, noise, soft, strict=True)
    return [(alpha + off * where).clip(0, 1) for alpha, off, where in pairs]


def tensor(frame: np.ndarray) -> Tensor:
    return torch.from_numpy(frame).permute(2, 0, 1)[None]


def smoothed(frames: list[np.ndarray], alphas: list[np.ndarray]) -> list[np.ndarray]:
    smooth = Smoother()
    pairs = zip(frames, alphas, strict=True)
    return [smooth(tensor(f), torch.from_numpy(a)[None, None])[0, 0].numpy() for f, a in pairs]


def test_flicker_falls_and_so_does_the_error(clip, guessed):
    smooth = smoothed(clip.frames, guessed)
    assert flicker(smooth, clip.alphas) < 0.7 * flicker(guessed, clip.alphas)
    assert sad(smooth, clip.alphas) < sad(guessed, clip.alphas)


def test_moving_alone_would_do_harm(clip):
    """Without following the motion, the mattes before would leave a trail of the animal."""
    still = [clip.frames[0]] * len(clip.frames)
    followed = smoothed(clip.frames, clip.alphas)
    assert sad(followed, clip.alphas) < 0.4 * sad(smoothed(still, clip.alphas), clip.alphas)


def test_a_cut_starts_anew(clip):
    other = draw_moving(1, 72, 108, index=1)
    alphas = [clip.alphas[0], other.alphas[0]]
    after = smoothed([clip.frames[0], other.frames[0]], alphas)[1]
    assert np.abs(after - other.alphas[0]).mean() < 0.02


def test_the_first_frame_is_as_it_was(clip, guessed):
    np.testing.assert_array_equal(smoothed(clip.frames[:1], guessed[:1])[0], guessed[0])


def test_large_frames_are_compared_smaller(monkeypatch, clip, guessed):
    """The matte keeps its size and is as smooth when frames are compared at another size."""
    monkeypatch.setattr("gfm.inference.video.smoothing._SHORTER_SIDE", 36)
    smooth = smoothed(clip.frames, guessed)
    assert smooth[0].shape == (72, 108)
    assert flicker(smooth, clip.alphas) < 0.9 * flicker(guessed, clip.alphas)
