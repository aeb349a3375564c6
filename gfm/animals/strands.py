"""Strands of hair, drawn tapered and anti-aliased into colour and exact alpha."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csc_array

from gfm.animals.noise import Array, floats
from gfm.animals.surface import Surface


@dataclass(frozen=True)
class Strands:
    """N hairs; hair n runs through root + length * (s direction + s^2 bend), s = 0..1.

    Attributes:
        root: 3 x N, pixels.
        direction: 3 x N, where it leaves the skin.
        bend: 3 x N, how it curves away from that.
        length: N, pixels.
        width: N, pixels at the root.
        colour: 3 x N, 0..1, lit.
        order: N, about 0..1, strands with more of it lie on top.
        curl: N, radius of its curls in pixels.
        dark: N, brightness at the root as a share of that at the tip.
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

    def joined(self, other: "Strands") -> "Strands":
        """Return these hairs together with ``other`` ones."""
        pairs = ((f.name, getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Strands(**{name: np.concatenate([a, b], axis=-1) for name, a, b in pairs})


def make_strands(**arrays: ArrayLike) -> Strands:
    """Make strands from arrays of any floating type."""
    return Strands(**{name: floats(values) for name, values in arrays.items()})


def paint(strands: Strands, surface: Surface, bare: Array) -> tuple[Array, Array]:
    """Draw hairs.

    The alpha of a pixel is exact, 1 - prod(1 - coverage). Its colour is a mean over the hairs
    there, in which those on top count far more; this needs neither sorting nor a loop.

    Args:
        strands: Hairs to draw.
        surface: Hides the parts of hairs that lie behind it.
        bare: height x width, 0..1, where nothing may be drawn (eyes and nose).

    Returns:
        Colour (height x width x 3, 0..1, arbitrary where alpha is 0), alpha (height x width, 0..1).
    """
    shape = surface.cover.shape
    # Strands of about the same length are sampled at the same places: plain matrices then.
    steps = np.clip(0.85 * strands.length, 4, 400)
    found = []
    for number in np.unique(np.ceil(1.25 ** np.arange(6, 28))).astype(int).tolist():
        chosen = np.flatnonzero(steps <= number)
        steps[chosen] = np.inf
        found.append(_samples(strands, chosen, number, surface, bare))
    x, y, cover, strand, s = (np.concatenate(parts) for parts in zip(*found, strict=True))
    values = np.empty((len(x), 4), np.float32)
    values[:, 0] = np.exp(7 * strands.order)[strand]
    shine = strands.dark[strand] + (1.08 - strands.dark[strand]) * np.sqrt(s)
    values[:, 1:] = strands.colour.T[strand] * (shine * values[:, 0])[:, None]
    splat = _splat(x, y, cover, shape)
    share = splat.data
    splat.data = -np.log1p(-share)
    thickness = splat @ np.ones(len(x), np.float32)
    # Squared: the faint edge of a hair must not outweigh the whole of the one below it.
    splat.data = share * share
    colour = splat @ values
    rgb = colour[:, 1:] / np.maximum(colour[:, :1], 1e-9)
    return rgb.reshape(*shape, 3), (1 - np.exp(-thickness)).reshape(shape)


def _splat(x: Array, y: Array, cover: Array, shape: tuple[int, int]) -> csc_array:
    """Return the matrix that spreads samples over the four pixels around each of them."""
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
    """Return the visible ones of ``number`` points along each of the ``chosen`` strands.

    Returns:
        x, y, coverage, strand and s (place along the strand, 0..1) of every point.
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
    seen = inside & (z > surface.depth.ravel()[pixel] - 0.12 * length - 4) & (cover > 0.004)
    strand, place = np.nonzero(seen)
    return x[seen], y[seen], np.minimum(cover[seen], 0.97), chosen[strand], s[place]
