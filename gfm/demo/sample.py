"""One photo with everything known about it."""

from dataclasses import dataclass

import cv2
import numpy as np

from gfm.demo.animal import Animal, draw_animal
from gfm.demo.layers import compose, fill_outwards
from gfm.demo.noise import Array, Image, floats, make_rng
from gfm.demo.scenery import PaintedScene, behind_subject, paint_scene

ANIMALS, BACKGROUNDS = 1, 2  # so that equal indices of the two never share a random stream


@dataclass(frozen=True)
class DemoSample:
    """A photo of an animal and the truth behind it; all uint8, colours RGB.

    Attributes:
        image: height x width x 3, ``alpha * foreground + (1 - alpha) * background``, rounded.
        image_clean: The same without the noise of the sensor.
        alpha: height x width, 0..255.
        foreground: height x width x 3, a plausible colour also where alpha is 0.
        foreground_clean: The same without noise.
        background: height x width x 3, the whole scene behind the animal, with noise.
    """

    image: Image
    image_clean: Image
    alpha: Image
    foreground: Image
    foreground_clean: Image
    background: Image


def draw_sample(seed: int, index: int, height: int, width: int) -> DemoSample:
    """Draw the photo number ``index`` (>= 0) of the data set ``seed`` (>= 0)."""
    rng = make_rng(seed, ANIMALS, index)
    scene = paint_scene(rng, 3 * index + index // 10, height, width)
    animal = draw_animal(rng, index, height, width, scene.setting.lamp)
    feet = max((y for _, y in animal.feet), default=height)
    blurred = behind_subject(scene, min(feet, 1.1 * height), height * rng.uniform(0.008, 0.028))
    background = _shaded(blurred, scene, animal)
    alpha = np.round(255 * animal.alpha).astype(np.uint8)
    filled = fill_outwards(animal.colour * animal.alpha[..., None], animal.alpha)
    foreground = np.round(255 * np.clip(filled, 0, 1)).astype(np.uint8)
    noise = sensor_noise(rng, height, width)
    # Beside the animal the foreground is made up: nothing there that a sensor could have seen.
    noisy = add_noise(foreground, noise * (alpha > 0)[..., None]), add_noise(background, noise)
    return DemoSample(
        image=compose(*noisy, alpha),
        image_clean=compose(foreground, background, alpha),
        alpha=alpha,
        foreground=noisy[0],
        foreground_clean=foreground,
        background=noisy[1],
    )


def draw_background(seed: int, index: int, height: int, width: int) -> Image:
    """Photo number ``index`` (>= 0) of a scene without an animal, height x width x 3, uint8 RGB."""
    return draw_background_pair(seed, index, height, width)[0]


def draw_background_pair(seed: int, index: int, height: int, width: int) -> tuple[Image, Image]:
    """A background with the noise of a sensor, and the same without it."""
    rng = make_rng(seed, BACKGROUNDS, index)
    # Nothing in a photo is as sharp as a drawing; some are well out of focus, and half as many
    # pixels are enough to paint those.
    blur, shrink = ((0.002, 1), (0.004, 1), (0.012, 2))[rng.integers(3)]
    scene = paint_scene(rng, index, height // shrink, width // shrink)
    feet = rng.uniform(0.8, 1.0) * height / shrink
    clean = behind_subject(scene, feet, blur * height / shrink)
    clean = cv2.resize(clean, (width, height), interpolation=cv2.INTER_CUBIC)
    return add_noise(clean, sensor_noise(rng, height, width)), clean


def sensor_noise(rng: np.random.Generator, height: int, width: int) -> Array:
    """Noise of a camera, height x width x 3, grey levels: fine in brightness, coarser in colour."""
    strength = rng.uniform(1.0, 3.2)
    grain = rng.standard_normal((height, width, 1), np.float32)
    blots = rng.standard_normal((height // 3 + 1, width // 3 + 1, 3), np.float32)
    return strength * (grain + 0.6 * cv2.resize(blots, (width, height)))


def add_noise(image: Image, noise: Array) -> Image:
    """``image`` with ``noise``, which is stronger where more light fell."""
    light = image.astype(np.float32)
    light += noise * (0.55 + light / 400)
    return np.clip(np.round(light), 0, 255).astype(np.uint8)


def _shaded(background: Image, scene: PaintedScene, animal: Animal) -> Image:
    """``background`` with the animal's shadow on the ground."""
    height, width = animal.alpha.shape
    small = cv2.resize(animal.alpha, (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    lamp = scene.setting.lamp.direction
    feet = np.mean([y for _, y in animal.feet]) / 4
    # Lay the outline down on the ground: away from the lamp, flattened by the low viewpoint.
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
    shadow[: int(scene.setting.horizon * height / 4)] = 0
    shadow = cv2.resize(shadow, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.round(background * (1 - shadow[..., None])).astype(np.uint8)
