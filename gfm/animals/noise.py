"""Smooth noise, interpolation and vectors."""

import cv2
import numpy as np
from numpy.typing import ArrayLike

Array = np.ndarray  # of floats
Image = np.ndarray  # of uint8


def floats(values: ArrayLike) -> Array:
    """Return ``values`` as float32, which is precise enough and twice as fast as float64."""
    return np.asarray(values, np.float32)


def noise_2d(
    rng: np.random.Generator,
    height: int,
    width: int,
    cell: float | tuple[float, float],
    octaves: int = 4,
    gain: float = 0.5,
) -> Array:
    """Return fractal value noise.

    Args:
        rng: Draws the lattice values.
        height: Rows of the result.
        width: Columns of the result.
        cell: Size in pixels of the largest features, one number or (vertical, horizontal).
        octaves: Number of octaves; each has half the feature size of the one before it.
        gain: Amplitude of an octave relative to the one before it.

    Returns:
        height x width, mean about 0 and standard deviation about 0.5.
    """
    cell_y, cell_x = cell if isinstance(cell, tuple) else (cell, cell)
    total = np.zeros((height, width), np.float32)
    energy = 0.0
    for octave in range(octaves):
        rows = int(np.ceil(height / max(cell_y / 2**octave, 1.0))) + 3
        columns = int(np.ceil(width / max(cell_x / 2**octave, 1.0))) + 3
        lattice = rng.standard_normal((min(rows, height + 3), min(columns, width + 3)), np.float32)
        total += gain**octave * cv2.resize(lattice, (width, height), interpolation=cv2.INTER_CUBIC)
        energy += gain ** (2 * octave)
    # Interpolation between lattice points halves the variance, approximately.
    return total * float(0.7 / np.sqrt(energy))


def noise_3d(rng: np.random.Generator, points: Array, frequency: float) -> Array:
    """Return smooth 3D value noise (N, in -1..1) at ``points`` (3 x N)."""
    lattice = rng.uniform(-1, 1, 16**3).astype(np.float32)
    scaled = points * frequency
    cell = np.floor(scaled)
    part = scaled - cell
    part = part * part * (3 - 2 * part)
    index = cell.astype(np.int64)
    result = np.zeros(points.shape[1], np.float32)
    for corner in range(8):
        offset = np.array([corner & 1, corner >> 1 & 1, corner >> 2])[:, None]
        weight = np.prod(np.where(offset == 1, part, 1 - part), axis=0)
        x, y, z = (index + offset) & 15
        result += weight * lattice[(x * 16 + y) * 16 + z]
    return result


def mix(first: ArrayLike, second: ArrayLike, amount: ArrayLike) -> Array:
    """Interpolate linearly from ``first`` (``amount`` 0) to ``second`` (``amount`` 1)."""
    start, end = floats(first), floats(second)
    return start + floats(amount) * (end - start)


def smoothstep(low: float, high: float, values: Array) -> Array:
    """Return a cubic ramp from 0 at ``low`` to 1 at ``high``; ``low`` may exceed ``high``."""
    ramp = np.clip((values - low) / (high - low), 0, 1)
    return ramp * ramp * (3 - 2 * ramp)


def normalise(vectors: Array) -> Array:
    """Scale ``vectors`` (... x 3) to unit length; zero vectors stay zero."""
    length = np.sqrt(np.einsum("...i,...i->...", vectors, vectors))
    return (vectors / np.maximum(length, 1e-6)[..., None]).astype(np.float32)
