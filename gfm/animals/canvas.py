"""A canvas with brushes for painting scenes. Colours are RGB, 0..255."""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike

from gfm.animals.noise import Array, Image, floats, mix, noise_2d, smoothstep

SUBPIXEL = 4  # fractional bits of cv2's fixed-point coordinates


class Canvas:
    """A picture that is being painted.

    Attributes:
        rng: Source of all random variation.
        height: Rows.
        width: Columns.
        image: height x width x 3, RGB, 0..255.
    """

    def __init__(self, rng: np.random.Generator, height: int, width: int) -> None:
        self.rng = rng
        self.height = height
        self.width = width
        self.image: Image = np.zeros((height, width, 3), np.uint8)
        # Dithering before rounding avoids banding in smooth skies.
        self._dither = rng.random((height, width, 1), np.float32)

    def tone(self, colour: ArrayLike, spread: float = 10) -> Array:
        """Vary ``colour`` at random, by about ``spread`` in brightness and less in hue."""
        shift = self.rng.normal(0, spread) + self.rng.normal(0, 0.4 * spread, 3)
        return np.clip(floats(colour) + shift, 2, 253).astype(np.float32)

    def blend(
        self, colour: Array, amount: Array | float = 1.0, top: int = 0, left: int = 0
    ) -> None:
        """Blend ``colour`` over the picture.

        Args:
            colour: One colour or an array of colours that broadcasts to rows x columns x 3.
            amount: Opacity 0..1, a number or an array of rows x columns.
            top: First row it covers.
            left: First column it covers.
        """
        opacity = floats(amount)
        if opacity.ndim == 2:
            opacity = opacity[..., None]
        shape = np.broadcast_shapes(np.shape(colour), opacity.shape)
        rows = slice(top, top + shape[0] if len(shape) == 3 else None)
        columns = slice(left, left + shape[1] if len(shape) == 3 and shape[1] > 1 else None)
        below = self.image[rows, columns]
        mixed = floats(colour) - below
        mixed = mixed * opacity + below
        mixed += self._dither[rows, columns]
        self.image[rows, columns] = np.minimum(np.maximum(mixed, 0), 255)

    def gradient(self, stops: Sequence[tuple[float, ArrayLike]], top: int, bottom: int) -> None:
        """Fill the rows top..bottom; ``stops`` are (position 0..1 from top to bottom, colour)."""
        places, colours = zip(*stops, strict=True)
        rows = np.linspace(0, 1, max(bottom - top, 1))
        table = floats(colours)
        field = np.stack([np.interp(rows, places, table[:, i]) for i in range(3)], axis=-1)
        field = np.broadcast_to(field[:, None].astype(np.float32), (len(rows), self.width, 3))
        self.blend(field, 1.0, top)

    def ridge(
        self,
        base: float,
        rise: float,
        cell: float,
        colour: ArrayLike,
        haze: ArrayLike,
        octaves: int = 5,
    ) -> Array:
        """Paint a range of hills.

        Args:
            base: Mean row of the crest.
            rise: Height of the peaks in pixels.
            cell: Width of a hill in pixels.
            colour: Colour at the crest.
            haze: Colour at the foot, ``2 * rise`` pixels below.
            octaves: Octaves of noise; more make the crest rougher.

        Returns:
            Row of the crest in each column.
        """
        profile = noise_2d(self.rng, 1, self.width, (1.0, cell), octaves)[0]
        crest = (base - rise * profile).astype(np.float32)
        top = int(np.clip(crest.min() - 1, 0, self.height - 1))
        below = np.arange(top, self.height, dtype=np.float32)[:, None] - crest
        fade = np.clip(below / max(2 * rise, 1), 0, 1)[..., None]
        self.blend(mix(colour, haze, fade), np.clip(below, 0, 1), top)
        return crest

    def ground(
        self, horizon: int, far: ArrayLike, near: ArrayLike, contrast: float = 22, cell: float = 0.3
    ) -> None:
        """Paint the ground from row ``horizon`` to the bottom, textured in perspective."""
        rows = self.height - horizon
        v = (np.arange(rows, dtype=np.float32)[:, None] + 1) / self.height
        texture = noise_2d(self.rng, 512, 512, 64, 5, 0.62)
        fade = np.abs(np.linspace(-1, 1, 512, dtype=np.float32))
        for weight, axis in ((fade[:, None], 0), (fade[None, :], 1)):
            # Cross-fade with a copy shifted by half, so that the texture tiles seamlessly.
            texture = mix(texture, np.roll(texture, 256, axis), weight)
        u = (np.arange(self.width, dtype=np.float32) - self.width / 2) / self.height
        map_x = (70 / cell) * u / (v + 0.08) * 0.3 + self.rng.uniform(0, 512)
        map_y = np.repeat((70 / cell) * 0.35 / (v + 0.08), self.width, axis=1)
        field = cv2.remap(texture, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        depth = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
        fields = 0.5 * contrast * field * (0.25 + 0.75 * depth)
        colour = mix(far, near, depth[..., None])
        self.blend(colour + fields[..., None] * floats([1, 1, 0.7]), 1.0, horizon)

    def clouds(self, bottom: int, colour: ArrayLike, cover: float = 0.0) -> None:
        """Paint clouds above the row ``bottom``; a higher ``cover`` (-1..1) gives more of them."""
        field = noise_2d(
            self.rng, bottom, self.width, (0.16 * bottom + 4, 0.55 * bottom + 8), 6, 0.55
        )
        self.blend(floats(colour), 0.85 * smoothstep(0.05 - cover, 1.0 - cover, field))

    def polygon(self, corners: Array, colour: ArrayLike) -> None:
        """Fill the polygon with ``corners`` (N x 2, x and y in pixels)."""
        points = np.round(np.asarray(corners) * 2**SUBPIXEL).astype(np.int32)
        tint = np.clip(colour, 0, 255).tolist()
        cv2.fillPoly(self.image, [points], tint, cv2.LINE_AA, SUBPIXEL)

    def discs(self, x: Array, y: Array, radius: Array, colours: Array) -> None:
        """Fill N circles in order; ``colours`` is N x 3, the other arrays N values in pixels."""
        centres = np.round(np.stack([x, y], axis=1) * 2**SUBPIXEL).astype(int).tolist()
        radii = np.maximum(np.round(np.asarray(radius) * 2**SUBPIXEL), 6).astype(int).tolist()
        for centre, size, colour in zip(centres, radii, np.asarray(colours).tolist(), strict=True):
            cv2.circle(self.image, centre, size, colour, cv2.FILLED, cv2.LINE_AA, SUBPIXEL)

    def disc(self, x: float, y: float, radius: float, colour: ArrayLike) -> None:
        """Fill one circle."""
        self.discs(floats([x]), floats([y]), floats([radius]), floats(colour)[None])

    def strokes(self, lines: Array, widths: Iterable[float], colours: Array) -> None:
        """Draw N polylines (N x points x 2) with ``widths`` (N, pixels) and ``colours`` (N x 3)."""
        points = np.round(lines * 2**SUBPIXEL).astype(np.int32)
        table = np.asarray(colours).tolist()
        for line, width, colour in zip(points, widths, table, strict=True):
            cv2.polylines(
                self.image, [line], False, colour, max(1, round(width)), cv2.LINE_AA, SUBPIXEL
            )

    def glow(self, x: float, y: float, radius: float, colour: ArrayLike, strength: float) -> None:
        """Add a soft glow around the pixel (x, y)."""
        u = (np.arange(self.width, dtype=np.float32) - x) / radius
        v = ((np.arange(self.height, dtype=np.float32) - y) / radius)[:, None]
        self.blend(floats(colour), strength * np.exp(-(u * u + v * v)))

    def bokeh(
        self, count: int, size: float, colours: ArrayLike, strength: float, bottom: float
    ) -> None:
        """Add out-of-focus lights as overlapping discs, above ``bottom`` (0..1 of the height)."""
        table = floats(colours)
        for _ in range(3):
            layer = np.zeros_like(self.image)
            for _ in range(count // 3):
                x = int(self.rng.uniform(0, self.width))
                y = int(self.rng.uniform(0, self.height * bottom))
                radius = max(2, int(size * self.rng.uniform(0.45, 1.2)))
                tint = table[self.rng.integers(len(table))] * strength * self.rng.uniform(0.25, 1)
                inside, rim = (np.clip(share * tint, 0, 255).tolist() for share in (1, 1.25))
                cv2.circle(layer, (x, y), radius, inside, cv2.FILLED, cv2.LINE_AA)
                cv2.circle(layer, (x, y), radius, rim, max(1, radius // 14), cv2.LINE_AA)
            cv2.add(self.image, layer, self.image)


def defocus(image: Image, radius: float) -> Image:
    """Blur an image like an unfocused lens; a ``radius`` below 0.5 pixels has no effect."""
    if radius < 0.5:
        return image
    height, width = image.shape[:2]
    shrink = max(1, int(radius / 3))
    size = max(width // shrink, 1), max(height // shrink, 1)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    # Two box filters give a flatter spot than a Gaussian, closer to that of an aperture.
    side = 2 * round(0.62 * radius / shrink) + 1
    small = cv2.blur(cv2.blur(small, (side, side)), (side, side))
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
