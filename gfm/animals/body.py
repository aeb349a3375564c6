"""Poses the bodies of animals: torso, legs, wings and tail."""

import numpy as np

from gfm.animals.head import add_head
from gfm.animals.noise import Array, normalise
from gfm.animals.skeleton import Skeleton, vector
from gfm.animals.species import Species


def build_skeleton(species: Species, pose: str, gaze: float, rng: np.random.Generator) -> Skeleton:
    """Build the skeleton of an animal.

    Args:
        species: Its proportions.
        pose: "stand", "sit" or "lie".
        gaze: Yaw of the head relative to the body in radians, positive to the animal's right.
        rng: Draws small variations of the pose.
    """
    skeleton = Skeleton()
    if species.build == "bird":
        neck = _add_bird_body(skeleton, species, rng)
    else:
        neck = _add_quadruped_body(skeleton, species, pose, rng)
    nod = rng.uniform(-0.25, 0.08)
    forward = vector(np.cos(gaze) * np.cos(nod), np.sin(nod), np.sin(gaze) * np.cos(nod))
    side = normalise(np.cross(forward, vector(0, 1)))
    tilt = rng.normal(0, 0.1)
    up = np.cross(side, forward)
    frame = np.stack(
        [forward, up * np.cos(tilt) + side * np.sin(tilt), side * np.cos(tilt) - up * np.sin(tilt)]
    ).astype(np.float32)
    add_head(skeleton, species, neck, frame)
    return skeleton


def _add_quadruped_body(
    skeleton: Skeleton, species: Species, pose: str, rng: np.random.Generator
) -> Array:
    """Add torso, legs, tail and neck, and return the centre of the skull."""
    half = species.body / 2
    chest, hip = species.chest, species.hip
    if pose == "sit":
        rump = vector(-half * 0.42, hip)
        shoulder = vector(half * 0.3, species.leg + chest * 0.8)
    elif pose == "lie":
        rump, shoulder = vector(-half, hip * 0.95), vector(half, chest * 1.05)
    else:
        rump = vector(-half, 1 - hip)
        shoulder = vector(half, 1 - chest * 0.95)
    middle = (rump + shoulder) / 2 - vector(0, 0.02)
    skeleton.add("torso", shoulder, middle, (chest, (chest + hip) / 2 * 0.97), 0.15)
    skeleton.add("torso", middle, rump, ((chest + hip) / 2 * 0.97, hip), 0.15)
    for side in (-1, 1):
        _add_front_leg(skeleton, species, pose, shoulder, side, rng)
        _add_hind_leg(skeleton, species, pose, rump, side, rng)
    _add_tail(skeleton, species, pose, rump, rng)
    rise = np.radians(species.rise + rng.normal(0, 5) + (8 if pose == "sit" else 0))
    base = shoulder + chest * vector(0.25, 0.35)
    along = vector(np.cos(rise), np.sin(rise))
    skull = base + (species.neck + 0.5 * species.head) * along
    # Fur is combed from start to end, and on a neck it hangs down from the head.
    thick = min(0.9 * species.head, 0.62 * chest)
    radii = (thick, min(0.75 * chest, 1.5 * thick))
    skeleton.add("neck", skull - 0.3 * species.head * along, base - 0.06 * along, radii, 0.14)
    return skull


def _add_front_leg(
    skeleton: Skeleton,
    species: Species,
    pose: str,
    shoulder: Array,
    side: int,
    rng: np.random.Generator,
) -> None:
    radius = species.leg_radius
    wide = side * (species.chest - 0.75 * radius) * 0.66
    top = shoulder + vector(0.0, -0.25 * species.chest, wide)
    if pose == "lie":
        elbow = vector(top[0] - 0.05, radius * 1.5, wide * 1.25)
        wrist = vector(top[0] + 0.5 * species.leg, radius, wide * 1.05)
        points = [top, elbow, wrist]
        paw = wrist + vector(1.5 * radius, -0.4 * radius)
    else:
        step = 0.0 if pose == "sit" else rng.uniform(-0.14, 0.14)
        foot = vector(top[0] + step + (0.04 if pose == "sit" else 0), radius, wide * 0.85)
        elbow = vector(top[0] - 0.04 + 0.2 * step, 0.55 * top[1] + 0.45 * radius, wide)
        points = [top, elbow, foot]
        paw = foot + vector(1.35 * radius, -0.42 * radius)
    skeleton.chain("leg", points, [radius * 2.0, radius * 1.25, radius * 0.95], 0.06)
    _add_paw(skeleton, points[-1], paw, radius)


def _add_paw(skeleton: Skeleton, start: Array, end: Array, radius: float) -> None:
    """Add four toes side by side, from the ankle ``start`` to the tip ``end``."""
    for place in (-1.5, -0.5, 0.5, 1.5):
        aside = vector(0, 0, place * 0.46 * radius)
        toe = end + aside + vector(-0.12 * abs(place) * radius, 0)
        radii = (0.8 * radius, 0.56 * radius)
        skeleton.add("paw", start + 0.5 * aside, toe, radii, 0.25 * radius)
    skeleton.feet.append(vector(float(end[0]), 0, float(end[2])))


def _add_hind_leg(
    skeleton: Skeleton,
    species: Species,
    pose: str,
    rump: Array,
    side: int,
    rng: np.random.Generator,
) -> None:
    radius = species.leg_radius
    wide = side * (species.hip - 0.5 * radius) * 0.75
    if pose == "stand":
        step = rng.uniform(-0.16, 0.16)
        top = rump + vector(0.02, -0.2 * species.hip, wide)
        knee = vector(rump[0] + 0.1 + 0.4 * step, 0.55 * top[1], wide * 1.05)
        hock = vector(rump[0] - 0.1 + 0.8 * step, 0.27 * top[1] + radius, wide * 0.95)
        foot = vector(rump[0] - 0.04 + step, radius, wide * 0.95)
        skeleton.add("leg", top, knee, (species.hip * 0.66, radius * 1.7), 0.08)
        skeleton.chain(
            "leg", [knee, hock, foot], [radius * 1.5, radius * 1.05, radius * 0.95], 0.05
        )
        toe = foot + vector(1.4 * radius, -0.42 * radius)
    else:
        # Folded: a big thigh beside the belly, and the long foot flat on the ground.
        wide *= 1.25
        thigh = rump + vector(0.02, -0.1 * species.hip, wide)
        knee = vector(rump[0] + 0.26, 0.24 * species.hip / 0.23, wide * 1.15)
        skeleton.add("haunch", thigh, knee, (species.hip * 0.72, species.hip * 0.5), 0.08)
        foot = vector(rump[0] + 0.1, radius, wide * 1.25)
        toe = foot + vector(0.3, 0, 0.1 * wide)
        skeleton.add("leg", foot, toe, (radius, radius * 1.05), 0.04)
    _add_paw(skeleton, 0.3 * foot + 0.7 * toe, toe + vector(0.4 * radius, -0.3 * radius), radius)


def _add_tail(
    skeleton: Skeleton, species: Species, pose: str, rump: Array, rng: np.random.Generator
) -> None:
    root = rump + species.hip * vector(-0.62, 0.35 if pose == "stand" else -0.4)
    angle = rng.uniform(-0.9, 0.6) if pose == "stand" else 0.0
    turn = rng.uniform(-0.25, 0.75) if pose == "stand" else 0.0
    swing = rng.choice([-1, 1]) * (rng.uniform(0.1, 0.5) if pose == "stand" else 0.95)
    points, radii = [root], [species.tail_radius * 0.8]
    heading, sideways = np.pi - angle, 0.15
    for index in range(5):
        flat = np.cos(sideways)
        ahead = vector(np.cos(heading) * flat, np.sin(heading) * flat, np.sin(sideways))
        point = points[-1] + species.tail / 5 * ahead
        point[1] = max(float(point[1]), species.tail_radius)
        points.append(point)
        radii.append(species.tail_radius * (1.0, 1.15, 1.15, 1.0, 0.55)[index])
        heading -= 0.55 * turn
        sideways += 0.5 * swing
    skeleton.chain("tail", points, radii, 0.04)


def _add_bird_body(skeleton: Skeleton, species: Species, rng: np.random.Generator) -> Array:
    """Add torso, tail, wings and legs, and return the centre of the skull."""
    chest, upright = species.chest, rng.uniform(0.75, 1.2)
    low = vector(-0.1, species.leg + chest * 0.8)
    lean = vector(np.cos(upright), np.sin(upright))
    top = low + 1.25 * chest * lean
    skeleton.add("torso", top, low, (chest * 0.86, chest), 0.12)
    tail = low - vector(np.cos(upright) * 0.9, 0.35) * (chest + species.tail)
    flat = 1.8 * vector(np.sin(upright), -np.cos(upright))
    skeleton.add("tail", low - chest * 0.6 * lean, tail, (chest * 0.45, chest * 0.18), 0.08, flat)
    for side in (-1, 1):
        start = top + vector(-0.02, 0.0, side * chest * 0.72)
        end = low + vector(-0.28 - 0.3 * species.tail, -0.4 * chest, side * chest * 0.66)
        skeleton.add("wing", start, end, (chest * 0.5, chest * 0.16), 0.03, vector(0, 0, 1.9))
        knee = low + vector(0.02, -0.6 * chest, side * 0.5 * chest)
        foot = vector(0.02, 0.02, side * 0.5 * chest)
        skeleton.add("leg", knee, foot, (0.06, 0.026), 0.04)
        for spread in (-0.5, 0.0, 0.5):
            toe = foot + 0.13 * vector(np.cos(spread), 0, np.sin(spread))
            skeleton.add("bare", foot, toe, (0.026, 0.014), 0.015)
        skeleton.feet.append(foot)
    return top + lean * (0.55 * chest + 0.55 * species.head)
