"""Colours the coat, and sets where it is patterned, woolly, long or bare."""

from dataclasses import dataclass

import numpy as np

from gfm.animals.geometry import Capsule
from gfm.animals.noise import Array, floats, noise_3d, normalise, smoothstep
from gfm.animals.skeleton import Skeleton
from gfm.animals.species import Coat, Colour, Species

BARE = ("bare", "nose")
FLEECE = ("torso", "neck", "haunch", "tail")
OFFSETS = ((0.01, 0, 0), (0, 0.01, 0), (0, 0, 0.01))


@dataclass
class _Skin:
    """N points to colour; ``local`` and ``normals`` (3 x N) are in animal coordinates."""

    capsules: list[Capsule]
    weights: Array
    local: Array
    normals: Array
    colour: Array

    def share(self, *parts: str) -> Array:
        """Return the summed weights (N, 0..1) of ``parts``."""
        return np.array([c.part in parts for c in self.capsules], np.float32) @ self.weights

    def tint(self, target: Colour, amount: Array) -> None:
        """Blend the colours towards ``target`` by ``amount`` (N, 0..1)."""
        self.colour += amount * (np.array(target, np.float32)[:, None] / 255 - self.colour)


def colours(
    skeleton: Skeleton,
    species: Species,
    coat: Coat,
    weights: Array,
    local: Array,
    normals: Array,
    rng: np.random.Generator,
) -> Array:
    """Return the unlit colours of points, 3 x N, 0..1.

    Args:
        skeleton: The animal, in animal coordinates.
        species: Its species.
        coat: Its colours.
        weights: Weight of each capsule at each point, len(capsules) x N.
        local: The points in animal coordinates, 3 x N.
        normals: Their unit normals, 3 x N.
        rng: Draws the pattern.
    """
    skin = _Skin(
        skeleton.capsules, weights, local, normals, _part_colours(skeleton, species, coat) @ weights
    )
    if coat.pattern != "plain":
        _paint_pattern(skin, coat, rng)
    wobble = 0.12 * noise_3d(rng, local, 7)
    body = skin.share("torso", "neck", "haunch", "tail", "wing")
    skin.tint(coat.belly, smoothstep(0.15, 0.6, wobble - normals[1]) * body)
    chest = smoothstep(0.55, 0.85, wobble + normals[0]) * skin.share("torso", "neck")
    skin.tint(coat.mark if species.mane else coat.belly, chest)
    skin.tint(coat.points, smoothstep(0.4, 0.12, local[1] + 0.4 * wobble) * skin.share("leg"))
    _colour_head(skin, skeleton, species, coat, wobble)
    skin.colour *= 1 + 0.1 * noise_3d(rng, local, 5)
    return np.clip(skin.colour, 0, 1)


def _part_colours(skeleton: Skeleton, species: Species, coat: Coat) -> Array:
    """Return the base colour of each capsule, 3 x len(capsules), 0..1."""
    palette = {
        "ear": coat.points,
        "paw": coat.points,
        "muzzle": coat.face,
        "nose": coat.nose,
        "bare": coat.nose,
        "mane": coat.mark,
    }
    if species.mane:
        palette["neck"] = coat.mark
    return np.array([palette.get(c.part, coat.main) for c in skeleton.capsules], np.float32).T / 255


def _colour_head(
    skin: _Skin, skeleton: Skeleton, species: Species, coat: Coat, wobble: Array
) -> None:
    skull = next(c for c in skin.capsules if c.part == "head")
    face = skin.share("head", "cheek", "muzzle")
    low = (skull.end[1] - skin.local[1]) / species.head + wobble
    skin.tint(coat.face, smoothstep(0.2, 0.5, low) * face)
    for capsule, weight in zip(skin.capsules, skin.weights, strict=True):
        if capsule.part == "ear" and species.ears in ("pointed", "round", "long"):
            # The inside of the ear: bare, warm, and darker than the rim.
            inner = 0.65 * smoothstep(0.35, 0.7, capsule.flat @ skin.normals / 2)
            warm = 0.45 * np.array(coat.points) + (82, 52, 46)
            skin.tint((int(warm[0]), int(warm[1]), int(warm[2])), inner * weight)
    for distance in _eye_distances(skeleton, skin.local):
        if coat.eye_patch is not None:
            skin.tint(coat.eye_patch, smoothstep(3.2, 2.4, distance + 2 * wobble) * face)
        skin.colour *= 1 - 0.35 * smoothstep(2.2, 1.1, distance)


def _eye_distances(skeleton: Skeleton, local: Array) -> list[Array]:
    """Return the distances of the points (N) from each eye, in eye radii."""
    eyes = [landmark for landmark in skeleton.landmarks if landmark.kind == "eye"]
    away = [local - eye.centre[:, None] for eye in eyes]
    return [np.sqrt((a * a).sum(axis=0)) / eye.radius for a, eye in zip(away, eyes, strict=True)]


def _paint_pattern(skin: _Skin, coat: Coat, rng: np.random.Generator) -> None:
    local = skin.local
    where = skin.share("torso", "neck", "haunch", "tail", "wing", "head")
    upwards = smoothstep(-0.4, 0.5, skin.normals[1])
    if coat.pattern == "patches":
        skin.tint(coat.mark, smoothstep(0.02, 0.1, noise_3d(rng, local, 3.0)) * where)
    elif coat.pattern == "spots":
        skin.tint(coat.mark, 0.85 * smoothstep(0.18, 0.34, noise_3d(rng, local, 22)) * where)
    elif coat.pattern == "stripes":
        phase = 60 * _along(skin) + 2.6 * noise_3d(rng, local, 7) + 1.2 * noise_3d(rng, local, 15)
        bands = smoothstep(0.1, 0.65, np.sin(phase).astype(np.float32))
        skin.tint(coat.mark, 0.85 * bands * (0.35 + 0.65 * upwards))
    else:
        grey = np.clip(0.6 * upwards * (0.6 + 0.5 * noise_3d(rng, local, 9)), 0, 1)
        skin.tint(coat.mark, grey * where)
    if coat.pattern == "rings":
        bands = smoothstep(-0.1, 0.3, np.sin(48 * _along(skin)).astype(np.float32))
        skin.tint(coat.mark, 0.9 * bands * skin.share("tail"))


def _along(skin: _Skin) -> Array:
    """Return the position of each point along its limb (N), so that bands run across the limb."""
    along = np.zeros(skin.local.shape[1], np.float32)
    for capsule, weight in zip(skin.capsules, skin.weights, strict=True):
        axis = capsule.end - capsule.start
        along += weight * (axis @ skin.local) / max(float(np.sqrt(axis @ axis)), 1e-6)
    return along


def lengths(skeleton: Skeleton, species: Species, weights: Array, local: Array) -> Array:
    """Return the hair length at each point (N), shorter around the eyes; see :func:`colours`."""
    parts = [
        0.0 if c.part in BARE else species.fur * species.fur_part.get(c.part, 1.0)
        for c in skeleton.capsules
    ]
    length = floats(parts) @ weights
    for distance in _eye_distances(skeleton, local):
        length *= 0.35 + 0.65 * smoothstep(1.2, 3.0, distance)
    return length


def add_lumps(
    capsules: list[Capsule],
    species: Species,
    weights: Array,
    points: Array,
    normals: Array,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Perturb normals by lumps of wool (bump mapping).

    Returns:
        The normals (3 x N), and a brightness factor (N) that is lower in the furrows.
    """
    where = floats([c.part in FLEECE for c in capsules]) @ weights
    seed = int(rng.integers(2**31))
    height = noise_3d(np.random.default_rng(seed), points, 12)
    slope = [
        noise_3d(np.random.default_rng(seed), points + offset[:, None], 12) - height
        for offset in floats(OFFSETS)
    ]
    bent = normals - species.lumps * where * np.stack(slope)
    return normalise(bent.T).T, 1 - 0.25 * where * smoothstep(0.15, -0.5, height)
