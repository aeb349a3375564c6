"""Solid bodies: a smooth union of tapered capsules, viewed along the z axis.

View coordinates: x to the right, y down, z towards the viewer. Points and vectors are 3 x N: one
contiguous row per coordinate is the fastest layout for NumPy here.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gfm.animals.noise import Array, floats

STEPS = 40  # of sphere tracing
OUTSIDE = 0.03  # distances from the outline are clipped to this


@dataclass(frozen=True)
class Capsule:
    """A tapered capsule whose fur is combed from ``start`` to ``end``.

    Attributes:
        part: Part of the animal; selects the colour and length of its hair.
        flat: Direction in which the shape is flattened; its length is the factor (> 1).
        blend: Radius of the smooth union with its neighbours.
    """

    part: str
    start: Array
    end: Array
    start_radius: float
    end_radius: float
    blend: float = 0.06
    flat: Array = field(default_factory=lambda: np.zeros(3, np.float32))

    def rotate(self, rotation: Array) -> "Capsule":
        """Return the capsule with ``rotation`` (3 x 3) applied."""
        return replace(
            self, start=rotation @ self.start, end=rotation @ self.end, flat=rotation @ self.flat
        )

    def distance(self, points: Array) -> Array:
        """Return the approximate signed distance (N, negative inside) of ``points`` (3 x N)."""
        axis = self.end - self.start
        x, y, z = (points[i] - self.start[i] for i in range(3))
        scale = float(np.sqrt(self.flat @ self.flat))
        if scale > 0:
            normal = self.flat / scale
            stretch = (scale - 1) * (x * normal[0] + y * normal[1] + z * normal[2])
            x, y, z = (c + stretch * n for c, n in zip((x, y, z), normal, strict=True))
            axis = axis + (scale - 1) * (axis @ normal) * normal
        unit = axis / max(float(axis @ axis), 1e-9)
        along = x * unit[0] + y * unit[1] + z * unit[2]
        np.minimum(np.maximum(along, 0, out=along), 1, out=along)
        x -= along * axis[0]
        y -= along * axis[1]
        z -= along * axis[2]
        distance = np.sqrt(x * x + y * y + z * z)
        distance -= self.start_radius
        distance -= (self.end_radius - self.start_radius) * along
        return distance if scale <= 1 else distance / scale


def solid_distance(capsules: list[Capsule], points: Array) -> Array:
    """Return the signed distance (N) of ``points`` (3 x N) from the union of ``capsules``."""
    total = capsules[0].distance(points)
    for capsule in capsules[1:]:
        distance = capsule.distance(points)
        near = np.maximum(capsule.blend - np.abs(total - distance), 0)
        total = np.minimum(total, distance) - near * near / (4 * capsule.blend)
    return total


def part_weights(capsules: list[Capsule], points: Array) -> Array:
    """Return the weight of each capsule at each point, len(capsules) x N; columns sum to 1."""
    distances = np.stack([capsule.distance(points) for capsule in capsules])
    weights = np.exp((distances.min(axis=0) - distances) / 0.02)
    return weights / weights.sum(axis=0)


def bounds(capsules: list[Capsule]) -> tuple[Array, Array]:
    """Return the lowest and highest corner (x, y, z) of the bounding box of ``capsules``."""
    ends = [(c.start, c.start_radius) for c in capsules] + [(c.end, c.end_radius) for c in capsules]
    low = np.min([point - radius for point, radius in ends], axis=0)
    high = np.max([point + radius for point, radius in ends], axis=0)
    return low.astype(np.float32), high.astype(np.float32)


def silhouette(capsules: list[Capsule], points: Array, margin: float = 0.0) -> NDArray[np.bool_]:
    """Return which ``points`` (3 x N) project onto a capsule, whatever their depth.

    This ignores the smooth union and the flattening, which makes it fast and the silhouette
    slightly too large. ``margin`` widens each capsule by that share of its blend radius.
    """
    ground = floats([1, 1, 0])
    flat = points * ground[:, None]
    hit = np.zeros(points.shape[1], bool)
    for capsule in capsules:
        # Viewed end-on, the far end may be the wider one.
        radius = max(capsule.start_radius, capsule.end_radius)
        cone = Capsule(capsule.part, capsule.start * ground, capsule.end * ground, radius, radius)
        hit |= cone.distance(flat) < margin * capsule.blend
    return hit


def trace(capsules: list[Capsule], x: Array, y: Array) -> tuple[Array, Array]:
    """Find the first surface along each ray by sphere tracing, and the outline.

    Args:
        capsules: The solid.
        x: Horizontal coordinates of a grid of rays, rows x columns.
        y: Vertical coordinates, rows x columns.

    Returns:
        Depth z at each (x, y), ``-inf`` where a ray misses; and the signed distance from the
        outline, accurate only near it, and smooth however coarse the grid.
    """
    low, high = bounds(capsules)
    points = np.stack([x.ravel(), y.ravel(), np.full(x.size, high[2] + 0.02, np.float32)])
    depth = np.full(x.size, -np.inf, np.float32)
    outline = np.full(x.size, OUTSIDE, np.float32)
    active = np.flatnonzero(silhouette(capsules, points, 0.5))
    for _ in range(STEPS):
        distance = solid_distance(capsules, points[:, active])
        outline[active] = np.minimum(outline[active], distance)
        points[2, active] -= 0.9 * np.maximum(distance, 0.012)
        hit = distance < 0.004
        depth[active[hit]] = points[2, active[hit]]
        active = active[~hit & (points[2, active] > low[2])]
        if not len(active):
            break
    found = np.flatnonzero(np.isfinite(depth))
    for below in (0.008, 0.02, 0.045):
        inside = points[:, found] - floats([0, 0, below])[:, None]
        outline[found] = np.minimum(outline[found], solid_distance(capsules, inside))
    return depth.reshape(x.shape), np.clip(outline, -OUTSIDE, OUTSIDE).reshape(x.shape)


def surface_normals(capsules: list[Capsule], points: Array) -> Array:
    """Return the outward unit normals (3 x N) at surface ``points`` (3 x N)."""
    gradient = np.zeros_like(points)
    for corner in floats([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]]):
        distance = solid_distance(capsules, points + 0.004 * corner[:, None])
        gradient += corner[:, None] * distance
    return gradient / np.maximum(np.sqrt((gradient * gradient).sum(axis=0)), 1e-6)


def sky_visibility(capsules: list[Capsule], points: Array, normals: Array) -> Array:
    """Return the share of the sky visible from each surface point (N, 0..1): ambient occlusion."""
    blocked = np.zeros(points.shape[1], np.float32)
    for reach, share in ((0.06, 1.0), (0.2, 0.6)):
        distance = solid_distance(capsules, points + reach * normals)
        blocked += share * np.maximum(reach - distance, 0) / reach
    return np.clip(1 - 0.6 * blocked, 0.1, 1)


def light_visibility(capsules: list[Capsule], points: Array, light: Array) -> Array:
    """Return how visible a light in the unit direction ``light`` is (N, 0..1): soft shadows."""
    lit = np.ones(points.shape[1], np.float32)
    travelled = np.full(points.shape[1], 0.06, np.float32)
    for _ in range(7):
        distance = solid_distance(capsules, points + travelled * light[:, None])
        lit = np.minimum(lit, 0.5 + 5 * distance / travelled)
        travelled += np.clip(distance, 0.04, 0.3)
    return np.clip(lit, 0, 1)
