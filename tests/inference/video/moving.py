"""Draws a clip of an animal that moves smoothly over a background, with its exact mattes."""

from typing import NamedTuple

import cv2
import numpy as np

from gfm.animals.sample import draw_sample


class Moving(NamedTuple):
    """A drawn clip.

    Attributes:
        frames: H×W×3 RGB, uint8, with sensor noise.
        alphas: H×W in [0, 1], float32.
    """

    frames: list[np.ndarray]
    alphas: list[np.ndarray]


def draw_moving(
    num_frames: int, height: int, width: int, index: int = 0, noise: float = 4.0, seed: int = 3
) -> Moving:
    """Draw frames of an animal that sways and approaches while the camera pans, at 25 per second.

    Args:
        num_frames: Number of frames.
        height: Height of a frame.
        width: Width of a frame.
        index: Index of the animal.
        noise: Standard deviation of the noise of each pixel, on a scale of 0 to 255.
        seed: Seed of animal, background and noise.
    """
    rng = np.random.default_rng([seed, index])
    sample = draw_sample(seed, index, height, width)
    scene = cv2.resize(sample.background, None, fx=1.25, fy=1.25, interpolation=cv2.INTER_CUBIC)
    layers = np.dstack([sample.foreground_clean, sample.alpha]).astype(np.float32) / 255
    layers[..., :3] *= layers[..., 3:]
    moving = Moving([], [])
    for time in np.arange(num_frames) / 25:
        sway = width * 0.06 * np.sin(2 * np.pi * 0.5 * time)
        matrix = cv2.getRotationMatrix2D(
            (width / 2, height), 2 * np.sin(np.pi * time), 0.9 + 0.05 * time
        )
        matrix[:, 2] += sway, 0
        shown = _warp(layers, matrix, (width, height)).clip(0, 1)
        pan = np.float32([[1, 0, -width * (0.1 + 0.04 * time)], [0, 1, -height * 0.1]])
        behind = _warp(scene.astype(np.float32) / 255, pan, (width, height))
        picture = shown[..., :3] + (1 - shown[..., 3:]) * behind
        picture = 255 * picture + noise * rng.standard_normal(picture.shape, np.float32)
        moving.frames.append(picture.round().clip(0, 255).astype(np.uint8))
        moving.alphas.append(shown[..., 3])
    return moving


def _warp(picture: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR)


def flicker(alphas: list[np.ndarray], truth: list[np.ndarray]) -> float:
    """Compute dtSSD times 100, the root mean square error of the change of alpha between frames.

    Erofeev et al., Perceptually Motivated Benchmark for Video Matting, BMVC 2015; per pixel, as Lin
    et al. report it (Robust High-Resolution Video Matting with Temporal Guidance, WACV 2022).
    """
    pairs = zip(np.diff(alphas, axis=0), np.diff(truth, axis=0), strict=True)
    return 100 * float(np.mean([np.sqrt(np.square(own - true).mean()) for own, true in pairs]))


def sad(alphas: list[np.ndarray], truth: list[np.ndarray]) -> float:
    """Compute the mean over frames of the sum of absolute differences, in thousands."""
    return float(np.abs(np.subtract(alphas, truth)).sum((1, 2)).mean()) / 1000
