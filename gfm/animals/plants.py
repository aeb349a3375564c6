"""Trees, grass, leaves and flowers for the scenes."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gfm.animals.canvas import Canvas
from gfm.animals.noise import floats, mix

Palette = tuple[Any, ...]
"""Colours to choose from, each RGB; NumPy's types cannot describe such a tuple."""

GREENS = ((58, 84, 34), (84, 112, 44), (112, 136, 58), (66, 96, 52))
DRY = ((170, 142, 84), (146, 118, 66), (190, 164, 104), (124, 104, 62))
AUTUMN = ((188, 96, 34), (204, 140, 44), (150, 62, 30), (120, 84, 40))


def grass(canvas: Canvas, horizon: float, colours: Palette, blade: float, count: int) -> None:
    """Paint blades of grass, the nearer ones larger and in front.

    Args:
        canvas: The canvas to paint on.
        horizon: First row of the field.
        colours: Colours to choose from, N x 3.
        blade: Height of the nearest blades in pixels.
        count: Number of blades; fewer if the canvas is less than 600 pixels high.
    """
    rng = canvas.rng
    count = int(count * min(1, canvas.height / 600))
    depth = np.sort(rng.uniform(0.02, 1.0, count) ** 0.6)
    y = horizon + depth * 1.06 * (canvas.height - horizon)
    x = rng.uniform(-0.02, 1.02, count) * canvas.width
    size = blade * (0.08 + 0.92 * depth**1.4) * rng.uniform(0.45, 1.15, count)
    lean = rng.normal(0.1, 0.3, count) * size
    s = np.array([0.0, 0.35, 0.7, 1.0])
    line_x = x[:, None] + lean[:, None] * s**2
    line_y = y[:, None] - size[:, None] * (s - 0.16 * s**2)
    table = floats(colours)[rng.integers(len(colours), size=count)]
    table = table * rng.uniform(0.62, 1.25, (count, 1)) * (0.75 + 0.3 * depth[:, None])
    widths = np.maximum(1, 0.045 * size)
    canvas.strokes(np.stack([line_x, line_y], axis=-1), widths, np.clip(table, 0, 255))


def flowers(canvas: Canvas, horizon: float, colours: Palette, size: float, count: int) -> None:
    """Paint flowers on a field: five petals around a yellow centre."""
    rng = canvas.rng
    depth = np.sort(rng.uniform(0.1, 1, count))
    y = horizon + depth * (canvas.height - horizon)
    x = rng.uniform(0, canvas.width, count)
    radius = size * (0.15 + depth)
    tint = floats(colours)[rng.integers(len(colours), size=count)]
    tint = np.clip(tint * rng.uniform(0.8, 1.1, (count, 1)), 0, 255)
    for angle in rng.uniform(0, 1) + np.arange(5) * 1.2566:
        canvas.discs(
            x + radius * np.cos(angle), y + 0.7 * radius * np.sin(angle), 0.62 * radius, tint
        )
    canvas.discs(x, y, 0.45 * radius, np.tile(floats([226, 178, 50]), (count, 1)))


def leafy_tree(
    canvas: Canvas,
    x: float,
    foot: float,
    size: float,
    colour: ArrayLike,
    haze: ArrayLike,
    amount: float,
) -> None:
    """Paint a deciduous tree ``size`` pixels high, standing at (x, foot).

    ``amount`` (0..1) blends it into ``haze``.
    """
    rng, wide, crown = canvas.rng, 0.035 * size, foot - 0.62 * size
    trunk = [[x - wide, foot], [x - 0.5 * wide, crown], [x + 0.5 * wide, crown], [x + wide, foot]]
    canvas.polygon(np.array(trunk), mix((62, 48, 38), haze, amount))
    count = int(np.clip(4.5 * size, 80, 3000))
    lobes = rng.normal(0, 1, (7, 2)) * [0.17, 0.14] * size + [x, crown]
    home = lobes[rng.integers(7, size=count)]
    spread = rng.normal(0, 0.085 * size, (count, 2))
    place = home + spread
    # Leaves that face the upper left catch the sun; they are drawn over the shaded ones.
    shine = 0.5 - (0.35 * spread[:, 0] + spread[:, 1]) / (0.3 * size)
    shine = np.clip(shine - (place[:, 1] - crown) / (1.1 * size), 0, 1)
    order = np.argsort(shine + rng.normal(0, 0.12, count))
    shine = np.clip(shine + rng.normal(0, 0.13, count), 0, 1)
    tint = mix(np.multiply(colour, 0.45), np.multiply(colour, 1.3), shine[:, None])
    tint = np.clip(mix(tint, haze, amount), 0, 255)
    radius = size * rng.uniform(0.4, 1.1, count) / count**0.5
    canvas.discs(place[order, 0], place[order, 1], radius, tint[order])


def conifer(
    canvas: Canvas, x: float, foot: float, size: float, colour: ArrayLike, snow: float = 0.0
) -> None:
    """Paint a fir ``size`` pixels high, standing at (x, foot), with ``snow`` (0..1) on it."""
    rng = canvas.rng
    canvas.polygon(
        np.array([[x - 0.02 * size, foot], [x, foot - 0.4 * size], [x + 0.02 * size, foot]]),
        np.asarray(colour) * 0.5,
    )
    layers = int(np.clip(size / 14, 5, 13))
    for layer in range(layers):
        share = layer / layers
        low = foot - size * (0.08 + 0.86 * share)
        high = low - size * 0.26 * (1 - 0.5 * share)
        wide = 0.2 * size * (1 - share) ** 0.85 + 0.015 * size
        teeth = np.linspace(-1, 1, 9)
        ragged = np.where(np.arange(9) % 2, -0.045, 0.03) * size * (1 - 0.6 * share)
        sideways = x + wide * teeth + rng.normal(0, 0.006 * size, 9)
        edge = np.stack([sideways, low + ragged + 0.06 * size * teeth**2], axis=1)
        shade = np.asarray(colour) * rng.uniform(0.72, 1.15)
        top = np.array([[x, high]])
        canvas.polygon(np.concatenate([top, edge]), np.clip(shade, 0, 255))
        if snow > 0:
            lit = edge[:6] - [0, 0.02 * size]
            lit[:, 1] -= (lit[:, 1] - high) * (0.35 + 0.3 * rng.random(6))
            canvas.polygon(np.concatenate([top, lit]), mix(shade, (232, 238, 246), snow))


def trunk(canvas: Canvas, x: float, wide: float, foot: float, colour: ArrayLike) -> None:
    """Paint the trunk of a tree taller than the picture, lit from the left."""
    rng = canvas.rng
    height = max(int(foot), 2)
    left, right = int(max(x - wide, 0)), int(min(x + wide, canvas.width))
    if right - left < 2:
        return
    across = (np.arange(left, right, dtype=np.float32) - x) / wide
    sway = 0.12 * np.sin(np.linspace(0, rng.uniform(1, 3), height) + rng.uniform(0, 6))[:, None]
    side = across + sway
    flare = 0.72 + 0.2 * np.linspace(0, 1, height)[:, None] ** 6
    edge = np.clip((flare - np.abs(side)) * wide, 0, 1).astype(np.float32)
    bark = rng.normal(0, 1, (max(height // 9, 1) + 1, max(int(wide / 2), 2))).astype(np.float32)
    rows = np.linspace(0, len(bark) - 1, height).astype(int)
    columns = np.linspace(0, bark.shape[1] - 1, right - left).astype(int)
    tone = 1 - 0.5 * np.clip(side + 0.25, 0, 1) + 0.1 * bark[rows][:, columns]
    field = floats(colour) * tone[..., None].astype(np.float32)
    canvas.blend(np.clip(field, 0, 255), edge, 0, left)


def foliage(
    canvas: Canvas, colours: Palette, leaf: float, count: int, top: float = 0.0, bottom: float = 1.0
) -> None:
    """Paint ``count`` leaves ``leaf`` pixels long, brighter towards the front.

    They lie between ``top`` and ``bottom``, as shares of the height.
    """
    rng = canvas.rng
    depth = np.sort(rng.random(count))
    x = rng.uniform(-0.03, 1.03, count) * canvas.width
    y = rng.uniform(top, bottom, count) * canvas.height
    angle = rng.normal(0.9, 0.7, count)
    size = leaf * rng.uniform(0.5, 1.2, count)
    table = floats(colours)[rng.integers(len(colours), size=count)]
    table = table * (0.28 + 0.95 * depth[:, None] ** 1.3) * rng.uniform(0.8, 1.2, (count, 1))
    along = np.stack([np.cos(angle), np.sin(angle)], axis=1) * size[:, None]
    across = np.stack([-np.sin(angle), np.cos(angle)], axis=1) * (0.3 * size)[:, None]
    middle = np.stack([x, y], axis=1)
    outline = [(-1, 0), (-0.35, 0.9), (0.3, 0.85), (1, 0), (0.3, -0.85), (-0.35, -0.9)]
    corners = np.stack([middle + a * along + b * across for a, b in outline], axis=1)
    for points, tint in zip(corners, np.clip(table, 0, 255), strict=True):
        canvas.polygon(points, tint)
