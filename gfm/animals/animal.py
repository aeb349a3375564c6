"""Draws an animal: picks species, pose and view, then renders colour and alpha."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from gfm.animals import geometry
from gfm.animals.body import build_skeleton
from gfm.animals.face import draw_features, make_whiskers
from gfm.animals.fur import grow_coat
from gfm.animals.light import Lamp
from gfm.animals.noise import Array, floats
from gfm.animals.skeleton import Skeleton
from gfm.animals.species import Coat, Species
from gfm.animals.strands import draw_strands
from gfm.animals.surface import View, find_surface
from gfm.animals.zoo import SPECIES

FUR_MARGIN = 0.06  # how far fur extends beyond the body, relative to the height of its back


@dataclass(frozen=True)
class Animal:
    """A drawn animal.

    Attributes:
        colour: height x width x 3, 0..1, not premultiplied by alpha.
        alpha: height x width, 0..1.
        feet: Pixels (x, y) where it touches the ground, possibly outside the frame.
        scale: Height of its back in pixels.
    """

    colour: Array
    alpha: Array
    feet: list[tuple[float, float]]
    scale: float


def draw_animal(
    rng: np.random.Generator, index: int, height: int, width: int, lamp: Lamp
) -> Animal:
    """Draw an animal: ``index`` cycles through the species, ``rng`` decides everything else."""
    species = SPECIES[list(SPECIES)[index % len(SPECIES)]]
    coat = species.coats[rng.integers(len(species.coats))]
    species = replace(
        species,
        fur=species.fur * rng.uniform(0.8, 1.4),
        leg=species.leg * rng.uniform(0.9, 1.08),
        muzzle=species.muzzle * rng.uniform(0.88, 1.12),
        ear=species.ear * rng.uniform(0.85, 1.12),
        head=species.head * rng.uniform(0.94, 1.08),
    )
    pose = species.poses[rng.integers(len(species.poses))]
    yaw = np.radians(rng.choice([rng.uniform(18, 72), rng.uniform(108, 162)]))
    skeleton = build_skeleton(species, pose, (np.pi / 2 - yaw) * rng.uniform(0.35, 1.0), rng)
    view = _frame(skeleton, _rotation(float(yaw), rng.uniform(0.06, 0.28)), height, width, rng)
    return _render(skeleton, species, coat, view, lamp, rng)


def _rotation(yaw: float, pitch: float) -> Array:
    """Return the rotation (3 x 3) from animal to view coordinates (y down); angles in radians."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    turn = np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
    cos, sin = np.cos(pitch), np.sin(pitch)
    tip = np.array([[1, 0, 0], [0, -cos, sin], [0, sin, cos]])
    return (tip @ turn).astype(np.float32)


def _frame(
    skeleton: Skeleton, rotation: Array, height: int, width: int, rng: np.random.Generator
) -> View:
    """Choose scale and position so that the animal fills a random share of the frame.

    The head is always inside the frame.
    """
    viewed = skeleton.rotate(rotation)
    low, high = geometry.bounds(viewed.capsules)
    step = float(max(high[0] - low[0], high[1] - low[1])) / 100
    y, x = np.mgrid[low[1] : high[1] : step, low[0] : high[0] : step].reshape(2, -1)
    inside = geometry.silhouette(viewed.capsules, floats([x, y, np.zeros_like(x)]))
    x, y = x[inside], y[inside]
    box = np.array([x.min(), x.max(), y.min(), y.max()]) + FUR_MARGIN * np.array([-1, 1, -1, 1])
    skull = next(capsule for capsule in viewed.capsules if capsule.part == "head")
    wanted = height * width * rng.uniform(0.44, 0.62)
    place = rng.uniform(0.25, 0.75, size=2)
    scale = float(np.sqrt(wanted / len(x))) / step
    for _ in range(20):
        origin = _origin(box * scale, scale * float(skull.end[0]), height, width, place)
        u, v = x * scale + origin[0], y * scale + origin[1]
        visible = np.sum((u > 0) & (u < width) & (v > 0) & (v < height)) * (step * scale) ** 2
        chin = origin[1] + scale * (skull.end[1] + 1.5 * skull.end_radius)
        if visible >= 0.97 * wanted or chin > 0.9 * height:
            break
        # Parts outside the frame do not count: enlarge the animal to compensate.
        scale *= 1.04
    return View(rotation, scale, origin, height, width)


def _origin(box: Array, head: float, height: int, width: int, place: Array) -> tuple[float, float]:
    """Return the pixel (x, y) at which to place the origin of the body.

    ``box`` holds the left, right, top and bottom of the body and ``head`` the x of its head, in
    pixels relative to the origin; ``place`` holds two random numbers in 0..1.
    """
    left, right, top, bottom = (float(value) for value in box)
    spare = width - (right - left)
    if spare > 0.05 * width:
        x = 0.025 * width + place[0] * (spare - 0.05 * width) - left
    else:
        # Too long for the frame: keep the head near the middle and crop the body on one side.
        share = 0.3 + 0.2 * place[0]
        x = width * (share if head < 0.5 * (left + right) else 1 - share) - head
    spare = height - (bottom - top)
    margin = 0.06 * height
    y = margin - top
    if spare > 2 * margin:
        y = height - bottom - 0.04 * height - 0.3 * place[1] * (spare - 0.08 * height)
    return float(x), float(y)


def _render(
    skeleton: Skeleton,
    species: Species,
    coat: Coat,
    view: View,
    lamp: Lamp,
    rng: np.random.Generator,
) -> Animal:
    surface = find_surface(skeleton, species, coat, view, lamp, rng)
    viewed = skeleton.rotate(view.rotation)
    features = draw_features(viewed.landmarks, surface, species, coat, view)
    bare = cv2.GaussianBlur(features.cover, (0, 0), 1.2).astype(np.float32) / 255
    bare = np.maximum(bare, 0.9 * surface.bare)
    fine = min(max(view.scale / 520, 0.45), 0.9)
    light = surface.light.mean(axis=1)
    hair = grow_coat(surface, species, lamp, fine, rng)
    hair = hair.join(make_whiskers(viewed.landmarks, view, light, rng))
    colour, cover = draw_strands(hair, surface, bare)
    colour = colour * cover[..., None] + surface.base * (surface.cover * (1 - cover))[..., None]
    alpha = cover + surface.cover * (1 - cover)
    # Eyes and nose lie on the skin: they change its colour, never the outline.
    ink = features.colour.astype(np.float32) / 255 * np.clip(light, 0.35, 1.1)
    painted = features.cover.astype(np.float32) / 255
    colour = ink * alpha[..., None] + colour * (1 - painted)[..., None]
    feet = [
        (float(f[0]) * view.scale + view.origin[0], float(f[1]) * view.scale + view.origin[1])
        for f in viewed.feet
    ]
    bright = 1.25 * colour / np.maximum(alpha, 1e-4)[..., None]
    # Compress highlights as film does, instead of clipping them.
    bright = np.where(bright > 0.7, 1 - 0.3 * np.exp((0.7 - bright) / 0.3), bright)
    return Animal(np.clip(bright, 0, 1), alpha, feet, view.scale)
