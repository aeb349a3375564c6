"""Provides what the tests by hypothesis share: their settings, and mattes of any kind and size."""

import os

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

KINDS = ("noise", "constant", "binary", "ramp", "disc", "sparse")
SIDES = st.integers(1, 40)
SEEDS = st.integers(0, 2**32 - 1)


def tries(number: int) -> settings:
    """Return settings with this number of examples, which are new only with FUZZ_ANEW=1."""
    return settings(
        max_examples=number, deadline=None, database=None, derandomize="FUZZ_ANEW" not in os.environ
    )


def matte(kind: str, height: int, width: int, seed: int) -> np.ndarray:
    """Draw a matte, H×W, uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    if kind == "constant":
        return np.full((height, width), rng.choice([0, 1, 128, 254, 255]), np.uint8)
    if kind == "binary":
        return rng.choice([0, 255], (height, width)).astype(np.uint8)
    if kind == "ramp":
        return (255 * (x + y) // max(height + width - 2, 1)).astype(np.uint8)
    if kind == "disc":
        centre = rng.uniform(0, (height, width))
        distance = np.hypot(y - centre[0], x - centre[1])
        return np.clip(255 * (rng.uniform(1, 20) - distance) / 3, 0, 255).astype(np.uint8)
    if kind == "sparse":
        return np.where(rng.random((height, width)) < 0.02, rng.integers(256), 0).astype(np.uint8)
    return rng.integers(256, size=(height, width), dtype=np.uint8)


mattes = st.builds(matte, st.sampled_from(KINDS), SIDES, SIDES, SEEDS)


def colours(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Return random colours, H×W×3, uint8, of the size of a matte."""
    return np.random.default_rng(seed).integers(256, size=(*shape[:2], 3), dtype=np.uint8)
