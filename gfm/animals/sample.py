"""Draws photos with exact alpha, foreground and background."""

from dataclasses import dataclass

import cv2
import numpy as np

from gfm.animals import nature, rooms
from gfm.animals.animal import Animal, draw_animal
from gfm.animals.canvas import Canvas, defocus
from gfm.animals.light import Setting
from gfm.animals.noise import Array, Image, floats, smoothstep
from gfm.animals.surface import fill_outwards
from gfm.data.compositing import blend

ANIMALS, BACKGROUNDS = 1, 2  # seed keys: the two kinds draw from different random streams
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
class DemoSample:
    """A photo of an animal and its ground-truth layers; all uint8, RGB.

    Attributes:
        image: height x width x 3, ``alpha * foreground + (1 - alpha) * background``, rounded.
        image_clean: The same without sensor noise.
        alpha: height x width, 0..255.
        foreground: height x width x 3, extrapolated to where alpha is 0.
        foreground_clean: The same without noise.
        background: height x width x 3, the complete scene behind the animal, with noise.
    """

    image: Image
    image_clean: Image
    alpha: Image
    foreground: Image
    foreground_clean: Image
    background: Image


def draw_sample(seed: int, index: int, height: int, width: int) -> DemoSample:
    """Draw photo number ``index`` (>= 0) of dataset ``seed`` (>= 0)."""
    rng = np.random.default_rng((seed, ANIMALS, index))
    scene, setting = _paint_scene(rng, 3 * index + index // 10, height, width)
    animal = draw_animal(rng, index, height, width, setting.lamp)
    feet = min(max(y for _, y in animal.feet), 1.1 * height)
    blurred = _blur_by_depth(scene, setting.horizon, feet, height * rng.uniform(0.008, 0.028))
    background = _cast_shadow(blurred, setting, animal)
    alpha = np.round(255 * animal.alpha).astype(np.uint8)
    filled = fill_outwards(animal.colour * animal.alpha[..., None], animal.alpha)
    foreground = np.round(255 * np.clip(filled, 0, 1)).astype(np.uint8)
    noise = _sensor_noise(rng, height, width)
    # Outside the animal the foreground is extrapolated, so it gets no sensor noise.
    noisy = _add_noise(foreground, noise * (alpha > 0)[..., None]), _add_noise(background, noise)
    return DemoSample(
        image=blend(*noisy, alpha),
        image_clean=blend(foreground, background, alpha),
        alpha=alpha,
        foreground=noisy[0],
        foreground_clean=foreground,
        background=noisy[1],
    )


def draw_background(seed: int, index: int, height: int, width: int) -> tuple[Image, Image]:
    """Draw scene number ``index`` (>= 0) of dataset ``seed``, without an animal.

    Returns:
        The photo with and without sensor noise; height × width × 3, uint8, RGB.
    """
    rng = np.random.default_rng((seed, BACKGROUNDS, index))
    # Photos are never as sharp as a drawing. A third of the scenes are far out of focus; these
    # are painted at half size.
    blur, shrink = ((0.002, 1), (0.004, 1), (0.012, 2))[rng.integers(3)]
    scene, setting = _paint_scene(rng, index, height // shrink, width // shrink)
    feet = rng.uniform(0.8, 1.0) * height / shrink
    clean = _blur_by_depth(scene, setting.horizon, feet, blur * height / shrink)
    clean = cv2.resize(clean, (width, height), interpolation=cv2.INTER_CUBIC)
    return _add_noise(clean, _sensor_noise(rng, height, width)), clean


def _paint_scene(
    rng: np.random.Generator, index: int, height: int, width: int
) -> tuple[Image, Setting]:
    """Paint a scene that is sharp everywhere, and return it with its light and horizon.

    ``index`` selects the kind of scene, ``rng`` decides the rest.
    """
    canvas = Canvas(rng, height, width)
    setting = SCENES[index % len(SCENES)](canvas)
    return canvas.image, setting


def _blur_by_depth(scene: Image, horizon: float, feet: float, strength: float) -> Image:
    """Blur a scene as a lens focused on the animal does.

    Args:
        scene: height x width x 3, sharp everywhere.
        horizon: Its horizon, as a share of its height.
        feet: Row where the animal stands; the ground there stays sharp.
        strength: Blur radius in the far distance, pixels.
    """
    height, width = scene.shape[:2]
    rows = np.arange(height, dtype=np.float32)[:, None]
    # The blur, 0..1, grows from the feet up to the horizon and down towards the viewer.
    away = np.clip((feet - rows) / max(feet - horizon * height, 0.08 * height), 0, 1)
    away = np.maximum(away, 0.8 * np.clip((rows - feet) / (0.35 * height), 0, 1))
    blurred = scene
    for low, high, radius in ((0.04, 0.4, 0.35 * strength), (0.35, 0.9, strength)):
        share = np.repeat(smoothstep(low, high, away), width, axis=1)
        blurred = cv2.blendLinear(blurred, defocus(scene, radius), 1 - share, share)
    return blurred


def _sensor_noise(rng: np.random.Generator, height: int, width: int) -> Array:
    """Return camera noise: fine in brightness, coarser in colour.

    Returns:
        height x width x 3, in grey levels.
    """
    strength = rng.uniform(1.0, 3.2)
    grain = rng.standard_normal((height, width, 1), np.float32)
    blots = rng.standard_normal((height // 3 + 1, width // 3 + 1, 3), np.float32)
    return strength * (grain + 0.6 * cv2.resize(blots, (width, height)))


def _add_noise(image: Image, noise: Array) -> Image:
    """Add ``noise`` (grey levels) to an image, more of it where the image is brighter."""
    light = image.astype(np.float32)
    light += noise * (0.55 + light / 400)
    return np.clip(np.round(light), 0, 255).astype(np.uint8)


def _cast_shadow(background: Image, setting: Setting, animal: Animal) -> Image:
    """Darken the ground by the shadow of the animal."""
    height, width = animal.alpha.shape
    small = cv2.resize(animal.alpha, (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    lamp = setting.lamp.direction
    feet = np.mean([y for _, y in animal.feet]) / 4
    # Project the outline onto the ground, away from the lamp; the low viewpoint flattens it.
    flat = 0.22 if lamp[2] > 0 else -0.3
    slant = float(lamp[0]) * 0.8
    warp = floats([[1, slant, -slant * feet], [0, flat, feet * (1 - flat)]])
    cast = cv2.warpAffine(small, warp, (width // 4, height // 4))
    cast = cv2.GaussianBlur(cast, (0, 0), max(height / 320, 0.5))
    touch = np.zeros_like(small)
    for x, y in animal.feet:
        size = (max(1, int(0.045 * animal.scale)), max(1, int(0.016 * animal.scale)))
        cv2.ellipse(touch, (int(x / 4), int(y / 4)), size, 0, 0, 360, (1.0,), cv2.FILLED)
    touch = cv2.GaussianBlur(touch, (0, 0), max(animal.scale / 90, 0.5))
    shadow = np.maximum(0.42 * cast, 0.62 * touch)
    shadow[: int(setting.horizon * height / 4)] = 0
    shadow = cv2.resize(shadow, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.round(background * (1 - shadow[..., None])).astype(np.uint8)
