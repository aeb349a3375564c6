"""Coats: where an animal is dark, light, striped, woolly or bare."""

from dataclasses import dataclass

import numpy as np

from gfm.animals.geometry import Capsule
from gfm.animals.noise import Array, floats, make_rng, noise_3d, normalise, smoothstep
from gfm.animals.skeleton import Skeleton
from gfm.animals.species import Coat, Colour, Species

BARE = ("bare", "nose")
FLEECE = ("torso", "neck", "haunch", "tail")
NUDGES = ((0.01, 0, 0), (0, 0.01, 0), (0, 0, 0.01))


@dataclass
class _Skin:
    """N points to colour; ``own`` and ``normals`` (3 x N) are in the coordinates of the animal."""

    capsules: list[Capsule]
    weights: Array
    own: Array
    normals: Array
    colour: Array

    def share(self, *parts: str) -> Array:
        """Return how much of each point belongs to ``parts``, 0..1."""
        return np.array([c.part in parts for c in self.capsules], np.float32) @ self.weights

    def tint(self, target: Colour, amount: Array) -> None:
        """Move colours towards ``target`` by ``amount``, 0..1."""
        self.colour += amount * (np.array(target, np.float32)[:, None] / 255 - self.colour)


def colours(
    skeleton: Skeleton,
    kind: Species,
    coat: Coat,
    weights: Array,
    own: Array,
    normals: Array,
    rng: np.random.Generator,
) -> Array:
    """Return the unlit colours of points, 3 x N, 0..1.

    Args:
        skeleton: The animal in its own coordinates.
        kind: Its species.
        coat: Its colours.
        weights: Share of every capsule in every point, len(capsules) x N.
        own: The points in the animal's coordinates, 3 x N.
        normals: Directions of the skin there, 3 x N.
        rng: Decides patterns.
    """
    palette = {
        "ear": coat.points,
        "paw": coat.points,
        "muzzle": coat.face,
        "nose": coat.nose,
        "bare": coat.nose,
        "mane": coat.mark,
    }
    if kind.mane:
        palette["neck"] = coat.mark
    named = np.array([palette.get(c.part, coat.main) for c in skeleton.capsules], np.float32).T
    skin = _Skin(skeleton.capsules, weights, own, normals, named / 255 @ weights)
    if coat.pattern != "plain":
        _pattern(skin, coat, rng)
    wobble = 0.12 * noise_3d(rng, own, 7)
    body = skin.share("torso", "neck", "haunch", "tail", "wing")
    skin.tint(coat.belly, smoothstep(0.15, 0.6, wobble - normals[1]) * body)
    chest = smoothstep(0.55, 0.85, wobble + normals[0]) * skin.share("torso", "neck")
    skin.tint(coat.mark if kind.mane else coat.belly, chest)
    skin.tint(coat.points, smoothstep(0.4, 0.12, own[1] + 0.4 * wobble) * skin.share("leg"))
    _head(skin, skeleton, kind, coat, wobble)
    skin.colour *= 1 + 0.1 * noise_3d(rng, own, 5)
    return np.clip(skin.colour, 0, 1)


def _head(skin: _Skin, skeleton: Skeleton, kind: Species, coat: Coat, wobble: Array) -> None:
    skull = next(c for c in skin.capsules if c.part == "head")
    face = skin.share("head", "cheek", "muzzle")
    low = (skull.end[1] - skin.own[1]) / kind.head + wobble
    skin.tint(coat.face, smoothstep(0.2, 0.5, low) * face)
    for capsule, weight in zip(skin.capsules, skin.weights, strict=True):
        if capsule.part == "ear" and kind.ears in ("pointed", "round", "long"):
            # The hollow side: bare and warm, darker than the rim.
            inner = 0.65 * smoothstep(0.35, 0.7, capsule.flat @ skin.normals / 2)
            warm = 0.45 * np.array(coat.points) + (82, 52, 46)
            skin.tint((int(warm[0]), int(warm[1]), int(warm[2])), inner * weight)
    for distance in _eye_distances(skeleton, skin.own):
        if coat.eye_patch is not None:
            skin.tint(coat.eye_patch, smoothstep(3.2, 2.4, distance + 2 * wobble) * face)
        skin.colour *= 1 - 0.35 * smoothstep(2.2, 1.1, distance)


def _eye_distances(skeleton: Skeleton, own: Array) -> list[Array]:
    """Return the distance of every point (N) from each eye, in radii of the eye."""
    eyes = [landmark for landmark in skeleton.landmarks if landmark.kind == "eye"]
    away = [own - eye.centre[:, None] for eye in eyes]
    return [np.sqrt((a * a).sum(axis=0)) / eye.radius for a, eye in zip(away, eyes, strict=True)]


def _pattern(skin: _Skin, coat: Coat, rng: np.random.Generator) -> None:
    own = skin.own
    where = skin.share("torso", "neck", "haunch", "tail", "wing", "head")
    upwards = smoothstep(-0.4, 0.5, skin.normals[1])
    if coat.pattern == "patches":
        skin.tint(coat.mark, smoothstep(0.02, 0.1, noise_3d(rng, own, 3.0)) * where)
    elif coat.pattern == "spots":
        skin.tint(coat.mark, 0.85 * smoothstep(0.18, 0.34, noise_3d(rng, own, 22)) * where)
    elif coat.pattern == "stripes":
        phase = 60 * _along(skin) + 2.6 * noise_3d(rng, own, 7) + 1.2 * noise_3d(rng, own, 15)
        bands = smoothstep(0.1, 0.65, np.sin(phase).astype(np.float32))
        skin.tint(coat.mark, 0.85 * bands * (0.35 + 0.65 * upwards))
    else:
        grey = np.clip(0.6 * upwards * (0.6 + 0.5 * noise_3d(rng, own, 9)), 0, 1)
        skin.tint(coat.mark, grey * where)
    if coat.pattern == "rings":
        bands = smoothstep(-0.1, 0.3, np.sin(48 * _along(skin)).astype(np.float32))
        skin.tint(coat.mark, 0.9 * bands * skin.share("tail"))


def _along(skin: _Skin) -> Array:
    """Return a length that grows along the limb of a point, so that bands run across it."""
    along = np.zeros(skin.own.shape[1], np.float32)
    for capsule, weight in zip(skin.capsules, skin.weights, strict=True):
        axis = capsule.end - capsule.start
        along += weight * (axis @ skin.own) / max(float(np.sqrt(axis @ axis)), 1e-6)
    return along


def lengths(skeleton: Skeleton, kind: Species, weights: Array, own: Array) -> Array:
    """Return the length of hair at every point (N), which is shorter around the eyes.

    The arguments are those of :func:`colours`.
    """
    parts = [
        0.0 if c.part in BARE else kind.fur * kind.fur_part.get(c.part, 1.0)
        for c in skeleton.capsules
    ]
    length = floats(parts) @ weights
    for distance in _eye_distances(skeleton, own):
        length *= 0.35 + 0.65 * smoothstep(1.2, 3.0, distance)
    return length


def woolly(
    capsules: list[Capsule],
    kind: Species,
    weights: Array,
    points: Array,
    normals: Array,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Bend normals over lumps of wool.

    Returns:
        The bent normals (3 x N), and the brightness of each point (N), lower in the furrows.
    """
    where = floats([c.part in FLEECE for c in capsules]) @ weights
    seed = int(rng.integers(2**31))
    height = noise_3d(make_rng(seed), points, 12)
    slope = [
        noise_3d(make_rng(seed), points + nudge[:, None], 12) - height for nudge in floats(NUDGES)
    ]
    bent = normals - kind.lumps * where * np.stack(slope)
    return normalise(bent.T).T, 1 - 0.25 * where * smoothstep(0.15, -0.5, height)
