"""Eyes, nose and whiskers, oriented like the head."""

import cv2
import numpy as np
from numpy.typing import ArrayLike

from gfm.animals.canvas import SUBPIXEL
from gfm.animals.noise import Array, floats, normalise
from gfm.animals.skeleton import Landmark
from gfm.animals.species import Coat, Species
from gfm.animals.strands import Strands, make_strands
from gfm.animals.surface import Surface, View

DARK = (22, 17, 16)


class Features:
    """A layer of paint over the face.

    Attributes:
        colour: height x width x 3, 0..255, premultiplied by the coverage.
        cover: height x width, 0..255.
    """

    def __init__(self, view: View) -> None:
        self.view = view
        self.colour = np.zeros((view.height, view.width, 3), np.uint8)
        self.cover = np.zeros((view.height, view.width), np.uint8)

    def fill(self, landmark: Landmark, shape: Array, colour: ArrayLike) -> None:
        """Fill the polygon ``shape`` (N x 2, right and up, radii) in the plane of ``landmark``."""
        right = np.cross(landmark.facing, landmark.up)
        plane = np.stack([right[:2], landmark.up[:2]]) * landmark.radius * self.view.scale
        centre = landmark.centre[:2] * self.view.scale + floats(self.view.origin)
        corners = np.round((shape @ plane + centre) * 2**SUBPIXEL).astype(np.int32)
        rgb = [int(value) for value in np.asarray(colour)]
        cv2.fillPoly(self.colour, [corners], rgb, cv2.LINE_AA, SUBPIXEL)
        cv2.fillPoly(self.cover, [corners], (255,), cv2.LINE_AA, SUBPIXEL)


def draw_features(
    landmarks: list[Landmark], surface: Surface, species: Species, coat: Coat, view: View
) -> Features:
    """Draw the visible eyes and nose of ``landmarks``, which are in view coordinates."""
    features = Features(view)
    for landmark in landmarks:
        if landmark.kind == "whiskers" or not _visible(landmark, surface, view):
            continue
        if landmark.kind == "eye":
            _draw_eye(features, landmark, species, coat)
        else:
            _draw_nose(features, landmark, coat)
    return features


def _visible(landmark: Landmark, surface: Surface, view: View) -> bool:
    x, y = (landmark.centre[:2] * view.scale + floats(view.origin)).astype(int)
    if landmark.facing[2] < 0.12 or not (0 <= x < view.width and 0 <= y < view.height):
        return False
    return bool(surface.depth[y, x] < (landmark.centre[2] + 1.5 * landmark.radius) * view.scale)


def _disc(x: float, y: float, width: float, height: float) -> Array:
    angle = np.linspace(0, 2 * np.pi, 33)[:-1]
    return np.stack([x + width * np.cos(angle), y + height * np.sin(angle)], axis=1)


def _almond(width: float, height: float) -> Array:
    """Return a disc with soft corners at the left and right."""
    shape = _disc(0, 0, 1, 1)
    shape[:, 1] *= np.abs(shape[:, 1]) ** 0.25
    return shape * [width, height]


def _draw_eye(features: Features, eye: Landmark, species: Species, coat: Coat) -> None:
    round_eyed = species.pupil == "round"
    outline = _disc(0, 0, 1.08, 1.04) if round_eyed else _almond(1.3, 1.0)
    opening = outline * 0.88
    iris = np.array(coat.iris)
    features.fill(eye, outline, DARK)
    # The lid shades the upper half of the iris; the lower half is brighter.
    rings = ((1.0, 0.0, 0.38), (0.94, 0.1, 0.62), (0.86, 0.2, 0.8), (0.66, 0.34, 1.0))
    for grow, drop, bright in rings:
        ring = np.clip(bright * iris + 8, 0, 255)
        shape = opening * [grow, grow - 0.8 * drop] - [0, drop * 0.8]
        features.fill(eye, shape, ring)
    pupil = {"slit": (0.36, 0.72), "round": (0.5, 0.5), "bar": (0.62, 0.26)}[species.pupil]
    features.fill(eye, _disc(0, 0.02, *pupil), (9, 7, 7))
    features.fill(eye, _disc(-0.26, 0.36, 0.17, 0.15), (244, 246, 250))
    features.fill(eye, _disc(0.28, -0.34, 0.1, 0.07), (128, 128, 134))


def _draw_nose(features: Features, nose: Landmark, coat: Coat) -> None:
    top = [(-1, 0.45), (-0.6, 0.72), (0, 0.76), (0.6, 0.72), (1, 0.45)]
    right = [(0.92, 0.05), (0.5, -0.35), (0.16, -0.66)]
    left = [(-x, y) for x, y in reversed(right)]
    wide = floats(top + right + left)
    skin = np.array(coat.nose)
    for side in (-1, 1):
        # The mouth: a thin tapering line down from the nose and out under the cheeks.
        line = floats(
            [[0, -0.6], [0.04, -1.25], [0.55, -1.6], [1.2, -1.5], [0.6, -1.74], [0.0, -1.42]]
        )
        features.fill(nose, line * [side, 1], 0.4 * skin + 12)
    features.fill(nose, wide, skin)
    features.fill(nose, wide * [0.74, 0.3] + [0, 0.42], 0.75 * skin + 58)
    for side in (-1, 1):
        features.fill(nose, _disc(0.48 * side, -0.02, 0.24, 0.2), (14, 10, 10))


def make_whiskers(
    landmarks: list[Landmark], view: View, light: Array, rng: np.random.Generator
) -> Strands:
    """Return long stiff hairs at the sides of the muzzle; ``light`` is an RGB factor (3)."""
    roots, directions, sizes = [], [], []
    for landmark in landmarks:
        if landmark.kind != "whiskers":
            continue
        right = np.cross(landmark.facing, landmark.up)
        for _ in range(8):
            up, ahead = rng.uniform(-0.32, 0.34), rng.uniform(-0.25, 0.3)
            roots.append(landmark.centre + landmark.radius * 0.05 * rng.normal(0, 1, 3))
            directions.append(landmark.facing + up * landmark.up + ahead * right)
            sizes.append(landmark.radius * view.scale * rng.uniform(0.55, 1.1))
    number = len(roots)
    root = np.reshape(roots, (number, 3)).T * view.scale + floats([*view.origin, 6])[:, None]
    tint = floats([0.97, 0.95, 0.92]) * np.clip(light + 0.15, 0, 1.1)
    return make_strands(
        root=root,
        direction=normalise(np.reshape(directions, (number, 3)).astype(np.float32)).T,
        bend=rng.uniform(0.0, 0.25, number) * floats([0, 1, 0])[:, None],
        length=sizes,
        width=np.full(number, 0.75 * np.clip(view.scale / 520, 0.4, 1.2)),
        colour=tint[:, None] * np.ones(number),
        order=np.full(number, 0.95),
        curl=np.zeros(number),
        dark=np.full(number, 0.9),
    )
