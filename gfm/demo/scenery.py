"""Choosing, painting and focusing a scene."""

from dataclasses import dataclass

import cv2
import numpy as np

from gfm.demo import nature, rooms
from gfm.demo.canvas import Canvas, defocus
from gfm.demo.light import Setting
from gfm.demo.noise import Image, smoothstep

SCENES = (
    nature.meadow,
    nature.forest,
    rooms.room,
    nature.mountains,
    rooms.lights,
    nature.savanna,
    nature.beach,
    rooms.garden,
    nature.autumn,
    rooms.street,
)


@dataclass(frozen=True)
class PaintedScene:
    """A painted scene: ``image`` (height x width x 3, RGB) and how it is lit."""

    image: Image
    setting: Setting


def paint_scene(rng: np.random.Generator, index: int, height: int, width: int) -> PaintedScene:
    """The scene number ``index``, in focus; kinds take turns, ``rng`` decides the rest."""
    canvas = Canvas(rng, height, width)
    setting = SCENES[index % len(SCENES)](canvas)
    return PaintedScene(canvas.image, setting)


def behind_subject(scene: PaintedScene, feet: float, strength: float) -> Image:
    """``scene`` as a lens focused on an animal sees it.

    Args:
        scene: In focus everywhere.
        feet: Row where the animal stands; the ground there stays sharp.
        strength: Radius in pixels of the blur in the far distance.
    """
    height = scene.image.shape[0]
    rows = np.arange(height, dtype=np.float32)
    horizon = scene.setting.horizon * height
    # How far out of focus: grows from the feet up to the horizon, and down towards the viewer.
    away = np.clip((feet - rows) / max(feet - horizon, 0.08 * height), 0, 1)
    away = np.maximum(away, 0.8 * np.clip((rows - feet) / (0.35 * height), 0, 1))
    soft, softer = defocus(scene.image, 0.35 * strength), defocus(scene.image, strength)
    first = np.ascontiguousarray(
        np.broadcast_to(smoothstep(0.04, 0.4, away)[:, None], softer.shape[:2])
    )
    second = np.ascontiguousarray(
        np.broadcast_to(smoothstep(0.35, 0.9, away)[:, None], softer.shape[:2])
    )
    near = cv2.blendLinear(scene.image, soft, 1 - first, first)
    return cv2.blendLinear(near, softer, 1 - second, second)
