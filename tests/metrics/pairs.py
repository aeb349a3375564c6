"""Pairs of mattes to score, H×W float64; 8-bit ones hold k/255."""

import cv2
import numpy as np


def furry_pair(
    height: int, width: int, seed: int = 0, noise: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return 8-bit prediction and target of a furry shape, and its trimap of 0, 128 and 255.

    The prediction errs along the fur and has a false blob beside it; ``noise`` adds uniform noise
    of that amplitude everywhere, as a network trained for an hour does.
    """
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    angle, radius = (
        np.arctan2(y - height / 2, x - width / 2),
        np.hypot(y - height / 2, x - width / 2),
    )
    waves = sum(a * np.sin(n * angle) for a, n in ((0.15, 5), (0.04, 37), (0.03, 91)))
    target = np.clip((0.38 * min(height, width) * (1 + waves) - radius) / 18 + 0.5, 0, 1)
    soft = ((target > 0) & (target < 1)).astype(np.float64)
    grain = cv2.GaussianBlur(random.standard_normal((height, width)), (0, 0), 2)
    preds = target + 0.15 * grain / grain.std() * cv2.GaussianBlur(soft, (0, 0), 9)
    preds += 0.6 * (np.hypot(y - 0.2 * height, x - 0.2 * width) < 0.05 * height)
    preds += noise * random.uniform(-1, 1, preds.shape)
    trimap = np.where(
        cv2.dilate(soft, np.ones((25, 25))) > 0, 128, np.where(target > 0.5, 255, 0)
    ).astype(np.uint8)
    return eight_bit(preds), eight_bit(target), trimap


def eight_bit(alpha: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(alpha, 0, 1) * 255) / 255


def random_levels(levels: list[float], shape: tuple[int, int], seed: int) -> np.ndarray:
    """Return random levels with many small components and many ties."""
    return np.random.default_rng(seed).choice(levels, shape)


def random_trimap(shape: tuple[int, int], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).choice([0, 128, 255], shape).astype(np.uint8)
