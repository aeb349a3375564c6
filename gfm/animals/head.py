"""Heads: skull, muzzle and ears, and the landmarks of eyes, nose and whiskers."""

from collections.abc import Callable

import numpy as np

from gfm.animals.noise import Array, floats, normalise
from gfm.animals.skeleton import Landmark, Skeleton
from gfm.animals.species import Species

Place = Callable[[float, float, float], Array]


def add_head(skeleton: Skeleton, species: Species, skull: Array, frame: Array) -> None:
    """Add a head to ``skeleton``.

    Args:
        skeleton: The skeleton to extend.
        species: Its proportions.
        skull: Centre of the skull.
        frame: 3 x 3; its rows are the forward, up and right directions of the head.
    """
    size = species.head

    def at(forward: float, up: float, right: float) -> Array:
        """Convert head coordinates, in skull radii, to a point."""
        return skull + size * (floats([forward, up, right]) @ frame)

    skeleton.add("head", at(0.2, 0.05, 0), at(-0.2, 0.05, 0), (0.93 * size, 0.97 * size), 0.1)
    if species.mane:
        skeleton.add("mane", at(-0.4, 0.15, 0), at(-0.85, -0.8, 0), (0.98 * size, 1.35 * size), 0.1)
    if species.build == "bird":
        _add_beak(skeleton, species, at)
    else:
        _add_muzzle(skeleton, species, at, frame)
        for side in (-1, 1):
            _add_ear(skeleton, species, at, frame, side)
    for side in (-1, 1):
        spread = np.radians(species.eye_spread) * side
        rise = 0.1 if species.build == "bird" else 0.22
        facing = normalise(floats([np.cos(spread), rise, np.sin(spread)]) @ frame)
        centre = skull + 0.05 * size * frame[1] + size * facing
        skeleton.landmarks.append(Landmark("eye", centre, facing, frame[1], species.eye * size))


def _add_beak(skeleton: Skeleton, species: Species, at: Place) -> None:
    size, is_flat_faced = species.head, species.eye_spread < 40
    tip = at(0.95 + 0.8 * species.muzzle, -0.14 + (-0.3 if is_flat_faced else -0.02), 0)
    skeleton.add("bare", at(0.85, -0.12, 0), tip, (0.2 * size, 0.03 * size), 0.02)
    for side in (-1, 1) if is_flat_faced else ():
        start, end = at(0.42, 0.02, 0.42 * side), at(0.36, -0.05, 0.5 * side)
        skeleton.add("cheek", start, end, (0.56 * size, 0.54 * size), 0.04)


def _add_muzzle(skeleton: Skeleton, species: Species, at: Place, frame: Array) -> None:
    size, thick, tip = species.head, species.muzzle_radius, 0.62 + species.muzzle

    def muzzle(start: Array, end: Array, first: float, last: float, blend: float) -> None:
        # Fur on a face is combed backwards from the nose.
        skeleton.add("muzzle", start, end, (first * thick * size, last * thick * size), blend)

    muzzle(at(tip - 0.1, -0.3, 0), at(0.35, -0.18, 0), 0.66, 1.2, 0.08)
    muzzle(at(tip - 0.3, -0.3 - 0.55 * thick, 0), at(0.2, -0.5, 0), 0.42, 0.8, 0.05)
    wide = 0.52 if species.muzzle < 0.9 else 0.4  # long faces are narrow
    for side in (-1, 1):
        start = at(tip - 0.16, -0.36, 0.36 * thick * side)
        muzzle(start, at(tip - 0.36, -0.36, 0.55 * thick * side), 0.46, 0.48, 0.03)
        start, end = at(0.2, -0.25, wide * side), at(-0.1, -0.3, 1.2 * wide * side)
        skeleton.add("cheek", start, end, (0.95 * wide * size, 0.95 * wide * size), 0.08)
    _add_nose(skeleton, species, at, frame, tip)


def _add_nose(skeleton: Skeleton, species: Species, at: Place, frame: Array, tip: float) -> None:
    size, thick = species.head, species.muzzle_radius
    nose = at(tip - 0.1 + 0.56 * thick, -0.3 + 0.2 * thick, 0)
    skeleton.add("nose", nose, nose - 0.12 * size * frame[0], (0.26 * thick * size,) * 2, 0.02)
    front = normalise(frame[0] + 0.25 * frame[1])
    skeleton.landmarks.append(
        Landmark("nose", nose + 0.2 * thick * size * front, front, frame[1], 0.38 * thick * size)
    )
    if species.whiskers:
        for side in (-1, 1):
            facing = normalise(0.35 * frame[0] + side * frame[2] - 0.05 * frame[1])
            centre = at(tip - 0.22, -0.36, 0.75 * thick * side)
            skeleton.landmarks.append(
                Landmark("whiskers", centre, facing, frame[1], species.whiskers * size)
            )


def _add_ear(skeleton: Skeleton, species: Species, at: Place, frame: Array, side: int) -> None:
    size, long = species.head, species.ear
    front = normalise(frame[0] + 0.45 * side * frame[2])
    if species.ears == "pointed":
        base, tip = at(-0.1, 0.62, 0.56 * side), at(-0.12, 0.72 + long, (0.66 + 0.2 * long) * side)
        skeleton.add("ear", base, tip, (0.5 * size, 0.05 * size), 0.04, 2.6 * front)
    elif species.ears == "round":
        base, tip = at(-0.1, 0.6, 0.6 * side), at(-0.12, 0.72 + 0.6 * long, 0.85 * side)
        radius = 0.62 * long * size
        skeleton.add("ear", base, tip, (radius, radius), 0.03, 1.9 * front)
    elif species.ears == "long":
        base = at(-0.25, 0.7, 0.36 * side)
        middle = at(-0.45, 0.8 + 0.5 * long, 0.5 * side)
        tip = at(-0.55, 0.85 + long, (0.5 + 0.12 * long) * side)
        skeleton.add("ear", base, middle, (0.22 * size, 0.33 * size), 0.03, 2.2 * front)
        skeleton.add("ear", middle, tip, (0.33 * size, 0.1 * size), 0.03, 2.2 * front)
    elif species.ears == "floppy":
        outwards = normalise(frame[2] * side + 0.2 * frame[0])
        base, knee = at(-0.1, 0.55, 0.72 * side), at(-0.02, 0.2, 1.02 * side)
        tip = at(0.12, 0.3 - long, 1.0 * side)
        skeleton.add("ear", base, knee, (0.26 * size, 0.36 * size), 0.05, 1.6 * outwards)
        skeleton.add("ear", knee, tip, (0.38 * size, 0.22 * size), 0.05, 2.2 * outwards)
    else:
        base, tip = at(-0.15, 0.35, 0.8 * side), at(-0.1, 0.2, (0.9 + long) * side)
        flat = normalise(frame[1] + 0.4 * frame[0])
        skeleton.add("ear", base, tip, (0.28 * size, 0.14 * size), 0.04, 1.8 * flat)
