"""Grows the coat: position, direction and colour of each hair."""

from dataclasses import dataclass

import numpy as np

from gfm.animals.light import Lamp
from gfm.animals.noise import Array, floats, noise_2d, normalise
from gfm.animals.species import Species
from gfm.animals.strands import Strands, make_strands
from gfm.animals.surface import Surface

MIN_LENGTH = 0.5  # pixels; shorter hair is not drawn
DENSITY = 1.6  # mean number of overlapping hairs


@dataclass(frozen=True)
class _Clump:
    """Properties that neighbouring hairs share.

    Attributes:
        pull: 2 x N, offset (x, y) from the root of a hair to the middle of its clump, pixels.
        value: N, -1..1, varies length, brightness and lift.
        angle: N, turns the direction in which the hair is combed, radians.
    """

    pull: Array
    value: Array
    angle: Array


def grow_coat(
    surface: Surface, species: Species, lamp: Lamp, width: float, rng: np.random.Generator
) -> Strands:
    """Return the hairs of a coat.

    Args:
        surface: The skin that they grow on.
        species: Sets their lift and curl.
        lamp: The light.
        width: Mean thickness of a hair in pixels.
        rng: Source of all random variation.
    """
    index = _plant(surface, width, rng)
    number = len(index)
    root = _roots(surface, index, rng)
    furry = surface.length[surface.length > MIN_LENGTH]
    mean = float(np.median(furry)) if len(furry) else 4.0
    clump = _clumps(root, surface.cover.shape, max(3.0, 0.34 * mean), rng)
    size = surface.length[index] * rng.uniform(0.6, 1.15, number) * (1 + 0.22 * clump.value)
    along, direction = _comb(surface, index, root, species, clump, mean, rng)
    bend = 0.25 * (along - direction) + floats([0, 0.22, 0])[:, None]
    bend[:2] += 0.55 * clump.pull / np.maximum(size, 3)
    order = 0.45 * rng.random(number) + 0.2 * clump.value
    # Hair that grows higher up covers the hair below, as roof tiles do.
    order += 0.35 * (1 - root[1] / len(surface.cover))
    return make_strands(
        root=root,
        direction=direction,
        bend=bend,
        length=size,
        width=width * rng.uniform(0.6, 1.3, number),
        colour=_dye(surface, index, direction + 0.6 * bend, lamp, clump, rng),
        order=np.clip(order, 0, 1),
        curl=species.curl * 0.16 * size * (size > 9) * rng.uniform(0.5, 1.3, number),
        dark=rng.uniform(0.6, 0.85, number),
    )


def _plant(surface: Surface, width: float, rng: np.random.Generator) -> Array:
    """Return the index of the surface point under each hair."""
    wanted = surface.step**2 * DENSITY / (np.clip(surface.length, 3, 36) * width)
    # Towards the outline the skin is tilted, so a ray covers more of it.
    wanted *= (surface.length > MIN_LENGTH) / (surface.normals[2] + 0.25)
    count = rng.poisson(np.clip(wanted, 0, 60))
    return np.repeat(np.arange(len(count)), count)


def _roots(surface: Surface, index: Array, rng: np.random.Generator) -> Array:
    """Return the roots of hairs (3 x N, pixels), scattered around their surface points."""
    root = surface.points[:, index].copy()
    # Slightly under the skin, so that no hair floats beside the outline.
    shift = rng.uniform(-0.6, 0.6, (2, len(index))) - 0.6 * surface.normals[:2, index]
    root[:2] += shift * surface.step
    return root


def _comb(
    surface: Surface,
    index: Array,
    root: Array,
    species: Species,
    clump: _Clump,
    mean: float,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Return the directions of hairs along the skin and at the root; unit vectors, 3 x N."""
    height, width = surface.cover.shape
    x = np.clip(root[0], 0, width - 1).astype(np.int64)
    y = np.clip(root[1], 0, height - 1).astype(np.int64)
    swirl = noise_2d(rng, height, width, 4.0 * mean, 3)[y, x]
    normal, flow = surface.normals[:, index], surface.flow[:, index]
    along = normalise((flow - (flow * normal).sum(axis=0) * normal).T).T
    angle = 0.55 * swirl + clump.angle + rng.normal(0, 0.12, len(index))
    along = along * np.cos(angle) + np.cross(normal, along, axis=0) * np.sin(angle)
    rise = 0.8 + 0.4 * clump.value + rng.normal(0, 0.25, len(index))
    lift = np.clip(species.lift * (np.pi / 2) * rise, 0.05, 1.45)
    return along, along * np.cos(lift) + normal * np.sin(lift)


def _dye(
    surface: Surface,
    index: Array,
    direction: Array,
    lamp: Lamp,
    clump: _Clump,
    rng: np.random.Generator,
) -> Array:
    """Return the lit colours (3 x N) of hairs with the given ``direction`` (3 x N)."""
    light = surface.light[:, index]
    shade = 1 + 0.13 * clump.value + 0.1 * rng.standard_normal(len(index))
    colour = surface.colour[:, index] * light * np.clip(shade, 0.45, 1.6)
    # Specular highlight (Kajiya-Kay): strongest where hair is at right angles to the half vector.
    across = normalise(lamp.direction + floats([0, 0, 1])) @ direction
    gloss = np.clip(1 - across * across, 0, 1) ** 20
    colour += 0.16 * gloss * light * lamp.sun[:, None]
    return colour * (1 + 0.03 * rng.standard_normal(colour.shape))


def _clumps(root: Array, shape: tuple[int, int], cell: float, rng: np.random.Generator) -> _Clump:
    """Group neighbouring hairs into clumps about ``cell`` pixels wide."""
    rows, columns = int(shape[0] / cell) + 3, int(shape[1] / cell) + 3
    middle = rng.uniform(0, 1, (2, rows, columns)).astype(np.float32)
    value = rng.uniform(-1, 1, (2, rows, columns)).astype(np.float32)
    jittered = root[:2] + rng.normal(0, 0.25 * cell, (2, root.shape[1]))
    x = np.clip(jittered[0] / cell + 1, 0, columns - 1).astype(np.int64)
    y = np.clip(jittered[1] / cell + 1, 0, rows - 1).astype(np.int64)
    centre = (np.stack([x, y]) - 1 + middle[:, y, x]) * cell
    return _Clump(centre - root[:2], value[0, y, x], 0.28 * value[1, y, x])
