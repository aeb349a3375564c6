"""The visible skin of an animal: its place, colour, light and hair."""

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
    """The place of an animal in a frame of ``height`` x ``width`` pixels.

    ``rotation`` (3 x 3) turns the coordinates of the animal into those of the view, ``scale`` is
    the number of pixels per unit, and ``origin`` is the pixel (x, y) of the point (0, 0, 0).
    """

    rotation: Array
    scale: float
    origin: tuple[float, float]
    height: int
    width: int

    @property
    def step(self) -> int:
        """Pixels between two rays; hair hides what lies between them."""
        return max(2, round((self.height * self.width) ** 0.5 / 190))

    def pixels(self, points: Array) -> Array:
        """Convert points of the view (3 x N) to pixels: x, y, and z towards the viewer."""
        return points * self.scale + floats([*self.origin, 0])[:, None]


@dataclass(frozen=True)
class Surface:
    """The N visible points of the skin, in pixels.

    Attributes:
        points: 3 x N; x to the right, y down, z towards the viewer.
        normals: 3 x N, outward; at the outline they turn to the side, as hair does there.
        flow: 3 x N, the way the fur is combed.
        colour: 3 x N, 0..1, unlit.
        light: 3 x N, what the colour is multiplied with.
        length: N, hair in pixels, 0 on bare skin.
        depth: height x width, z of the surface, far behind it beside the animal.
        cover: height x width, 0..1, how much of a pixel the skin covers.
        base: height x width x 3, 0..1, the lit skin, continued beyond its outline.
        bare: height x width, 0..1, where no hair grows.
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


def skin(
    skeleton: Skeleton,
    kind: Species,
    variety: Coat,
    view: View,
    lamp: Lamp,
    rng: np.random.Generator,
) -> Surface:
    """Find the visible part of ``skeleton`` (in its own coordinates) and describe it."""
    capsules = skeleton.seen(view.rotation).capsules
    x, y = _rays(view)
    depth, outline = geometry.trace(capsules, x, y)
    hit = np.isfinite(depth)
    points = np.stack([x[hit], y[hit], depth[hit]])
    normals = geometry.surface_normals(capsules, points)
    weights = geometry.part_weights(capsules, points)
    own = view.rotation.T @ points
    colour = coat.colours(skeleton, kind, variety, weights, own, view.rotation.T @ normals, rng)
    if kind.lumps:
        normals, furrow = coat.woolly(capsules, kind, weights, points, normals, rng)
        colour *= furrow
    light = _light(capsules, points, normals, lamp)
    length = coat.lengths(skeleton, kind, weights, own) * view.scale
    axes = np.stack([c.end - c.start for c in capsules], axis=1)
    axes /= np.maximum(np.sqrt((axes * axes).sum(axis=0)), 1e-6)
    base, bare = _base(colour * light, length, depth, view)
    return Surface(
        points=view.pixels(points),
        normals=_splayed(normals, hit),
        flow=axes @ weights,
        colour=colour,
        light=light,
        length=length,
        depth=_enlarged(np.where(hit, depth, depth[hit].min() - 2) * view.scale, view),
        cover=_cover(outline, depth, view),
        base=base,
        bare=bare,
        step=view.step,
    )


def _rays(view: View) -> tuple[Array, Array]:
    """Return x and y of a grid of rays in the view, each rows x columns."""
    rows, columns = -(-view.height // view.step), -(-view.width // view.step)
    v, u = np.mgrid[0:rows, 0:columns] * view.step + (view.step - 1) / 2
    return floats((u - view.origin[0]) / view.scale), floats((v - view.origin[1]) / view.scale)


def _enlarged(field: Array, view: View) -> Array:
    """Enlarge a field with a value for every ray to one with a value for every pixel."""
    rows, columns = field.shape[:2]
    size = (columns * view.step, rows * view.step)
    return cv2.resize(field, size)[: view.height, : view.width]


def _splayed(normals: Array, hit: Array) -> Array:
    """Turn ``normals`` outwards along the outline, even where a part (an ear) is flat."""
    soft = cv2.GaussianBlur(hit.astype(np.float32), (0, 0), 1.0)
    down, right = np.gradient(soft)
    outwards = np.stack([-right[hit], -down[hit], np.zeros(normals.shape[1])])
    return normalise((normals + 8 * outwards * ~_inside(hit)[hit]).T).T


def _inside(hit: Array) -> Array:
    """Return which rays have only neighbours that hit the animal."""
    return cv2.erode(hit.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0


def _cover(outline: Array, depth: Array, view: View) -> Array:
    # Rays that graze a near limb see its outline; it is none where the body lies behind.
    outline = np.where(
        _inside(np.isfinite(depth)), np.minimum(outline, -0.25 * view.step / view.scale), outline
    )
    return np.clip(0.5 - _enlarged(floats(outline), view) * view.scale, 0, 1)


def _base(lit: Array, length: Array, depth: Array, view: View) -> tuple[Array, Array]:
    bare = np.clip(1 - length / 3, 0, 1)
    plane = np.zeros((*depth.shape, 4), np.float32)
    # Down between the hairs it is dark.
    plane[np.isfinite(depth)] = np.concatenate([lit * (0.7 + 0.3 * bare), bare[None]]).T
    plane = fill_outwards(plane, np.isfinite(depth).astype(np.float32))
    plane = _enlarged(plane, view)
    return plane[..., :3], plane[..., 3]


def _light(capsules: list[Capsule], points: Array, normals: Array, lamp: Lamp) -> Array:
    open_sky = geometry.openness(capsules, points, normals)
    direct = np.clip((lamp.direction @ normals + 0.25) / 1.25, 0, 1)
    lit = np.flatnonzero(direct > 0)
    direct[lit] *= geometry.light_reaches(
        capsules, points[:, lit] + 0.02 * normals[:, lit], lamp.direction
    )
    upwards = np.clip(0.5 - 0.5 * normals[1], 0, 1)
    ambient = lamp.sky[:, None] * upwards + lamp.ground[:, None] * (1 - upwards)
    return ambient * open_sky + lamp.sun[:, None] * direct * (0.4 + 0.6 * open_sky)


def fill_outwards(colour: Array, weight: Array) -> Array:
    """Continue ``colour`` smoothly to where ``weight`` is 0.

    Averages are pushed down a pyramid and pulled up again, so that a pixel far outside gets the
    mean colour of the known pixels nearest to it.

    Args:
        colour: height x width x channels, multiplied by the weight.
        weight: height x width, 0..1.

    Returns:
        height x width x channels, no longer multiplied by the weight.
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
    # A weight of 1/4 is enough to trust a pixel on its own.
    trust = np.minimum(4 * weight, 1)[..., None]
    return trust * colour / np.maximum(weight, 1e-6)[..., None] + (1 - trust) * behind
