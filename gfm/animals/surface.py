"""The visible skin of an animal: position, colour, light and hair length."""

from dataclasses import dataclass

import cv2
import numpy as np

from gfm.animals import coat, geometry
from gfm.animals.geometry import Capsule
from gfm.animals.light import Lamp
from gfm.animals.noise import Array, floats, normalise
from gfm.animals.skeleton import Skeleton
from gfm.animals.species import Coat, Species


@dataclass(frozen=True)
class View:
    """The view of an animal in a frame of ``height`` x ``width`` pixels.

    ``rotation`` (3 x 3) converts animal to view coordinates, ``scale`` is the number of pixels per
    unit, and ``origin`` the pixel (x, y) of the point (0, 0, 0).
    """

    rotation: Array
    scale: float
    origin: tuple[float, float]
    height: int
    width: int

    @property
    def step(self) -> int:
        """Pixels between two rays; hair hides how coarse the grid is."""
        return max(2, round((self.height * self.width) ** 0.5 / 190))

    def pixels(self, points: Array) -> Array:
        """Convert points (3 x N) from view coordinates to pixels."""
        return points * self.scale + floats([*self.origin, 0])[:, None]


@dataclass(frozen=True)
class Surface:
    """The N visible points of the skin; coordinates in pixels.

    Attributes:
        points: 3 x N; x to the right, y down, z towards the viewer.
        normals: 3 x N, outward; turned sideways at the outline, where hair points away from it.
        flow: 3 x N, direction in which the fur is combed.
        colour: 3 x N, 0..1, unlit.
        light: 3 x N, RGB factors to multiply the colour by.
        length: N, hair length in pixels, 0 on bare skin.
        depth: height x width, z of the surface; far behind the animal where there is none.
        cover: height x width, 0..1, share of each pixel that the skin covers.
        base: height x width x 3, 0..1, lit colour of the skin, extrapolated beyond the outline.
        bare: height x width, 0..1, 1 where no hair grows.
        step: Pixels between neighbouring points.
    """

    points: Array
    normals: Array
    flow: Array
    colour: Array
    light: Array
    length: Array
    depth: Array
    cover: Array
    base: Array
    bare: Array
    step: int


def find_surface(
    skeleton: Skeleton,
    species: Species,
    variety: Coat,
    view: View,
    lamp: Lamp,
    rng: np.random.Generator,
) -> Surface:
    """Trace the visible skin of ``skeleton``, which is in animal coordinates."""
    capsules = skeleton.rotate(view.rotation).capsules
    x, y = _rays(view)
    depth, outline = geometry.trace(capsules, x, y)
    hit = np.isfinite(depth)
    points = np.stack([x[hit], y[hit], depth[hit]])
    normals = geometry.surface_normals(capsules, points)
    weights = geometry.part_weights(capsules, points)
    local = view.rotation.T @ points
    colour = coat.colours(
        skeleton, species, variety, weights, local, view.rotation.T @ normals, rng
    )
    if species.lumps:
        normals, furrow = coat.add_lumps(capsules, species, weights, points, normals, rng)
        colour *= furrow
    light = _light(capsules, points, normals, lamp)
    length = coat.lengths(skeleton, species, weights, local) * view.scale
    base, bare = _base(colour * light, length, depth, view)
    return Surface(
        points=view.pixels(points),
        normals=_splay(normals, hit),
        flow=_axes(capsules) @ weights,
        colour=colour,
        light=light,
        length=length,
        depth=_enlarge(np.where(hit, depth, depth[hit].min() - 2) * view.scale, view),
        cover=_cover(outline, depth, view),
        base=base,
        bare=bare,
        step=view.step,
    )


def _axes(capsules: list[Capsule]) -> Array:
    """Return the unit vectors (3 x len(capsules)) along which the fur is combed."""
    axes = np.stack([c.end - c.start for c in capsules], axis=1)
    return axes / np.maximum(np.sqrt((axes * axes).sum(axis=0)), 1e-6)


def _rays(view: View) -> tuple[Array, Array]:
    """Return x and y of a grid of rays in view coordinates, each rows x columns."""
    rows, columns = -(-view.height // view.step), -(-view.width // view.step)
    v, u = np.mgrid[0:rows, 0:columns] * view.step + (view.step - 1) / 2
    return floats((u - view.origin[0]) / view.scale), floats((v - view.origin[1]) / view.scale)


def _enlarge(field: Array, view: View) -> Array:
    """Resize values per ray (rows x columns) to values per pixel (height x width)."""
    rows, columns = field.shape[:2]
    size = (columns * view.step, rows * view.step)
    return cv2.resize(field, size)[: view.height, : view.width]


def _splay(normals: Array, hit: Array) -> Array:
    """Turn ``normals`` sideways at the outline, even where a part (an ear) is flat."""
    soft = cv2.GaussianBlur(hit.astype(np.float32), (0, 0), 1.0)
    down, right = np.gradient(soft)
    outwards = np.stack([-right[hit], -down[hit], np.zeros(normals.shape[1])])
    return normalise((normals + 8 * outwards * ~_inside(hit)[hit]).T).T


def _inside(hit: Array) -> Array:
    """Return which rays and all their neighbours hit the animal."""
    return cv2.erode(hit.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0


def _cover(outline: Array, depth: Array, view: View) -> Array:
    # Where a limb is in front of the body, its outline is not an outline of the animal.
    outline = np.where(
        _inside(np.isfinite(depth)), np.minimum(outline, -0.25 * view.step / view.scale), outline
    )
    return np.clip(0.5 - _enlarge(floats(outline), view) * view.scale, 0, 1)


def _base(lit: Array, length: Array, depth: Array, view: View) -> tuple[Array, Array]:
    bare = np.clip(1 - length / 3, 0, 1)
    plane = np.zeros((*depth.shape, 4), np.float32)
    # The skin between hairs is in shadow.
    plane[np.isfinite(depth)] = np.concatenate([lit * (0.7 + 0.3 * bare), bare[None]]).T
    plane = fill_outwards(plane, np.isfinite(depth).astype(np.float32))
    plane = _enlarge(plane, view)
    return plane[..., :3], plane[..., 3]


def _light(capsules: list[Capsule], points: Array, normals: Array, lamp: Lamp) -> Array:
    open_sky = geometry.sky_visibility(capsules, points, normals)
    direct = np.clip((lamp.direction @ normals + 0.25) / 1.25, 0, 1)
    lit = np.flatnonzero(direct > 0)
    direct[lit] *= geometry.light_visibility(
        capsules, points[:, lit] + 0.02 * normals[:, lit], lamp.direction
    )
    upwards = np.clip(0.5 - 0.5 * normals[1], 0, 1)
    ambient = lamp.sky[:, None] * upwards + lamp.ground[:, None] * (1 - upwards)
    return ambient * open_sky + lamp.sun[:, None] * direct * (0.4 + 0.6 * open_sky)


def fill_outwards(colour: Array, weight: Array) -> Array:
    """Extrapolate ``colour`` smoothly to where ``weight`` is 0 (pull-push algorithm).

    Args:
        colour: height x width x channels, premultiplied by the weight.
        weight: height x width, 0..1.

    Returns:
        height x width x channels, not premultiplied.
    """
    height, width = weight.shape
    if max(height, width) <= 2:
        mean = colour.sum(axis=(0, 1)) / max(float(weight.sum()), 1e-6)
        return np.broadcast_to(mean, colour.shape)
    half = ((width + 1) // 2, (height + 1) // 2)
    coarse = fill_outwards(
        cv2.resize(colour, half, interpolation=cv2.INTER_AREA),
        cv2.resize(weight, half, interpolation=cv2.INTER_AREA),
    )
    behind = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    # At a weight of 1/4 or more, a pixel keeps its colour.
    trust = np.minimum(4 * weight, 1)[..., None]
    return trust * colour / np.maximum(weight, 1e-6)[..., None] + (1 - trust) * behind
