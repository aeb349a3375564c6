"""The parts of an animal: capsules for the body, landmarks for the face."""

from dataclasses import dataclass, field, replace

import numpy as np

from gfm.animals.geometry import Capsule
from gfm.animals.noise import Array, floats


@dataclass(frozen=True)
class Landmark:
    """A flat feature on the skin: an "eye", "nose" or "whiskers"."""

    kind: str
    centre: Array
    facing: Array
    up: Array
    radius: float

    def rotate(self, rotation: Array) -> "Landmark":
        """Return the landmark with ``rotation`` (3 x 3) applied."""
        return replace(
            self,
            centre=rotation @ self.centre,
            facing=rotation @ self.facing,
            up=rotation @ self.up,
        )


@dataclass
class Skeleton:
    """An animal without its skin; x is forward, y up, z to its right, and the ground at y = 0."""

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
        """Add a capsule; see :class:`gfm.animals.geometry.Capsule`."""
        flattening = np.zeros(3, np.float32) if flat is None else flat.astype(np.float32)
        self.capsules.append(
            Capsule(part, floats(start), floats(end), radii[0], radii[1], blend, flattening)
        )

    def chain(self, part: str, points: list[Array], radii: list[float], blend: float) -> None:
        """Add capsules between consecutive points, as for a leg or a tail."""
        for index in range(len(points) - 1):
            self.add(
                part, points[index], points[index + 1], (radii[index], radii[index + 1]), blend
            )

    def rotate(self, rotation: Array) -> "Skeleton":
        """Return the skeleton with ``rotation`` (3 x 3) applied."""
        return Skeleton(
            [capsule.rotate(rotation) for capsule in self.capsules],
            [landmark.rotate(rotation) for landmark in self.landmarks],
            [rotation @ foot for foot in self.feet],
        )


def vector(x: float, y: float, z: float = 0.0) -> Array:
    """Return a point or direction."""
    return np.array([x, y, z], np.float32)
