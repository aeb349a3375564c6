"""The parts of a drawn animal: capsules for its body, and landmarks for its face."""

from dataclasses import dataclass, field, replace

import numpy as np

from gfm.animals.geometry import Capsule
from gfm.animals.noise import Array, floats


@dataclass(frozen=True)
class Landmark:
    """A flat feature on the skin, with its centre, radius, and two directions."""

    kind: str
    centre: Array
    facing: Array
    up: Array
    radius: float

    def seen(self, rotation: Array) -> "Landmark":
        """Return the feature with ``rotation`` (3 x 3, world to view) applied."""
        return replace(
            self,
            centre=rotation @ self.centre,
            facing=rotation @ self.facing,
            up=rotation @ self.up,
        )


@dataclass
class Skeleton:
    """An animal without its skin: x is forward, y up and z to its right; the ground is y = 0."""

    capsules: list[Capsule] = field(default_factory=list)
    landmarks: list[Landmark] = field(default_factory=list)
    feet: list[Array] = field(default_factory=list)

    def add(
        self,
        part: str,
        start: Array,
        end: Array,
        radii: tuple[float, float],
        blend: float = 0.06,
        flat: Array | None = None,
    ) -> None:
        """Add a capsule; the length of ``flat`` is how much to flatten it in that direction."""
        pressed = np.zeros(3, np.float32) if flat is None else flat.astype(np.float32)
        self.capsules.append(
            Capsule(part, floats(start), floats(end), radii[0], radii[1], blend, pressed)
        )

    def chain(self, part: str, points: list[Array], radii: list[float], blend: float) -> None:
        """Add capsules from point to point, as for a leg or a tail."""
        for index in range(len(points) - 1):
            self.add(
                part, points[index], points[index + 1], (radii[index], radii[index + 1]), blend
            )

    def seen(self, rotation: Array) -> "Skeleton":
        """Return the skeleton in the coordinates of a view."""
        return Skeleton(
            [capsule.seen(rotation) for capsule in self.capsules],
            [landmark.seen(rotation) for landmark in self.landmarks],
            [rotation @ foot for foot in self.feet],
        )


def vector(x: float, y: float, z: float = 0.0) -> Array:
    """Make a point or a direction."""
    return np.array([x, y, z], np.float32)
