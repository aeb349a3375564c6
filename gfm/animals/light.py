"""The light of a scene."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gfm.animals.noise import Array, floats, normalise


@dataclass(frozen=True)
class Lamp:
    """Light: the unit ``direction`` towards the sun (y down), and colours as RGB factors."""

    direction: Array
    sun: Array
    sky: Array
    ground: Array


@dataclass(frozen=True)
class Setting:
    """The light of a scene, and its ``horizon`` as a share of the height, from the top."""

    lamp: Lamp
    horizon: float


def make_lamp(
    rng: np.random.Generator,
    sun: ArrayLike,
    sky: ArrayLike,
    ground: ArrayLike,
    height: float = 0.6,
    front: float = 0.55,
) -> Lamp:
    """Return light from the left or right.

    Args:
        rng: Draws the direction.
        sun: RGB factors of the sunlight.
        sky: RGB factors of the light from above.
        ground: RGB factors of the light from below.
        height: Height of the sun, relative to its sideways distance.
        front: Distance of the sun towards the viewer, in the same unit.
    """
    side = rng.choice([-1.0, 1.0]) * rng.uniform(0.4, 0.8)
    direction = normalise(floats([side, -height, front + rng.uniform(-0.15, 0.2)]))
    return Lamp(direction, floats(sun), floats(sky), floats(ground))
