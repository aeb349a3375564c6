"""Renders strands of hair, tapered and anti-aliased, to colour and exact alpha."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csc_array

from gfm.animals.noise import Array, floats
from gfm.animals.surface import Surface


@dataclass(frozen=True)
class Strands:
    """N hairs; each follows root + length * (s * direction + s^2 * bend) for s in 0..1.

    Attributes:
        root: 3 x N, pixels.
        direction: 3 x N, direction at the root.
        bend: 3 x N, curvature away from that direction.
        length: N, pixels.
        width: N, thickness at the root in pixels.
        colour: 3 x N, 0..1, with light applied.
        order: N, about 0..1; strands of higher order lie on top.
        curl: N, radius of the curls in pixels.
        dark: N, brightness at the root relative to the tip.
    """

    root: Array
    direction: Array
    bend: Array
    length: Array
    width: Array
    colour: Array
    order: Array
    curl: Array
    dark: Array

    def join(self, other: "Strands") -> "Strands":
        """Concatenate these strands and ``other``."""
        pairs = ((f.name, getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Strands(**{name: np.concatenate([a, b], axis=-1) for name, a, b in pairs})


def make_strands(**arrays: ArrayLike) -> Strands:
    """Return strands from arrays of any floating type."""
    return Strands(**{name: floats(values) for name, values in arrays.items()})


def draw_strands(strands: Strands, surface: Surface, bare: Array) -> tuple[Array, Array]:
    """Render hairs.

    The alpha of a pixel is exact: 1 - prod(1 - coverage). Its colour is a mean over its hairs,
    weighted exponentially by their order, which needs neither sorting nor a loop.

    Args:
        strands: Hairs to draw.
        surface: Hides the parts of hairs behind it.
        bare: height x width, 0..1, where nothing is drawn (eyes and nose).

    Returns:
        Colour (height x width x 3, 0..1, arbitrary where alpha is 0) and alpha (height x width,
        0..1).
    """
    shape = surface.cover.shape
    # Strands of similar length get the same number of samples, so that they form matrices.
    steps = np.clip(0.85 * strands.length, 4, 400)
    samples = []
    for number in np.unique(np.ceil(1.25 ** np.arange(6, 28))).astype(int).tolist():
        chosen = np.flatnonzero(steps <= number)
        steps[chosen] = np.inf
        samples.append(_samples(strands, chosen, number, surface, bare))
    x, y, cover, strand, s = (np.concatenate(parts) for parts in zip(*samples, strict=True))
    values = np.empty((len(x), 4), np.float32)
    values[:, 0] = np.exp(7 * strands.order)[strand]
    shine = strands.dark[strand] + (1.08 - strands.dark[strand]) * np.sqrt(s)
    values[:, 1:] = strands.colour.T[strand] * (shine * values[:, 0])[:, None]
    splat = _splat(x, y, cover, shape)
    share = splat.data
    splat.data = -np.log1p(-share)
    thickness = splat @ np.ones(len(x), np.float32)
    # Squared, so that the faint edge of a hair does not outweigh the middle of the hair below it.
    splat.data = share * share
    colour = splat @ values
    rgb = colour[:, 1:] / np.maximum(colour[:, :1], 1e-9)
    return rgb.reshape(*shape, 3), (1 - np.exp(-thickness)).reshape(shape)


def _splat(x: Array, y: Array, cover: Array, shape: tuple[int, int]) -> csc_array:
    """Return the matrix (pixels x samples) that spreads samples over the nearest four pixels."""
    height, width = shape
    left, top = np.floor(x), np.floor(y)
    part_x, part_y = x - left, y - top
    share = np.empty((len(x), 4), np.float32)
    share[:, 1] = cover * part_x
    share[:, 0] = cover - share[:, 1]
    share[:, 2:] = share[:, :2] * part_y[:, None]
    share[:, :2] -= share[:, 2:]
    corner = top.astype(np.int32) * width + left.astype(np.int32)
    pixel = corner[:, None] + np.array([0, 1, width, width + 1], np.int32)
    start = np.arange(0, 4 * len(x) + 1, 4, dtype=np.int32)
    return csc_array((share.ravel(), pixel.ravel(), start), shape=(height * width, len(x)))


def _samples(
    strands: Strands, chosen: Array, number: int, surface: Surface, bare: Array
) -> tuple[Array, ...]:
    """Sample ``number`` points along each of the ``chosen`` strands, and keep the visible ones.

    Returns:
        x, y, coverage, strand index and s (position along the strand, 0..1) of each point.
    """
    height, width = surface.cover.shape
    s = ((np.arange(number) + 0.5) / number).astype(np.float32)
    length = strands.length[chosen, None]
    step = length * strands.direction[:, chosen, None]
    curve = length * strands.bend[:, chosen, None]
    x, y, z = (strands.root[i, chosen, None] + s * (step[i] + s * curve[i]) for i in range(3))
    speed = np.hypot(step[0] + 2 * s * curve[0], step[1] + 2 * s * curve[1]) / number
    if strands.curl.any():
        turn = 9 * s + 44 * strands.order[chosen, None]
        radius = strands.curl[chosen, None] * np.minimum(4 * s, 1)
        x += radius * np.sin(turn)
        y += radius * np.cos(turn)
    inside = (x >= 0) & (y >= 0) & (x < width - 1) & (y < height - 1)
    row, column = (np.where(inside, place, 0).astype(np.int32) for place in (y, x))
    pixel = row * width + column
    taper = np.minimum(1, 1.25 - s) * np.minimum(1, 0.3 + 4 * s)
    cover = strands.width[chosen, None] * taper * np.maximum(speed, 0.15)
    cover *= 1 - bare.ravel()[pixel]
    visible = inside & (z > surface.depth.ravel()[pixel] - 0.12 * length - 4) & (cover > 0.004)
    strand, place = np.nonzero(visible)
    return x[visible], y[visible], np.minimum(cover[visible], 0.97), chosen[strand], s[place]
