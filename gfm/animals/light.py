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
    """The light of a scene, and the share of its height that lies above the ``horizon``."""

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
    """Make light that comes from the left or the right.

    Args:
        rng: Decides the side.
        sun: Its colour, RGB factors.
        sky: Light from above.
        ground: Light from below.
        height: How high the sun stands, relative to how far it is to the side.
        front: How far it is on the viewer's side.
    """
    side = rng.choice([-1.0, 1.0]) * rng.uniform(0.4, 0.8)
    direction = normalise(floats([side, -height, front + rng.uniform(-0.15, 0.2)]))
    return Lamp(direction, floats(sun), floats(sky), floats(ground))
