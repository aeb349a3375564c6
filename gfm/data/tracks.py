"""Tracks: what picture a training sample shows, and of what layers it is made.

ORI shows the photo itself. COMP blends its foreground over another background; by the RSSN route
it also removes what gives a composite away: discrepancies of resolution (HD backgrounds),
semantics (BG-20k shows no animals), sharpness (blur) and noise (denoised pairs, common noise).
See Li et al., IJCV 2022, section 5.

A track is a dataclass with ``backgrounds_per_foreground``, ``photos``, ``scenes`` and ``compose``;
another one is another such class and a YAML that names it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gfm.data.compositing import add_noise, blend, blur_window, fit_background, read_crop
from gfm.data.layout import Foreground, Photo, Roots, Scene, scenes, training_photos
from gfm.data.transforms import Crop

Layers = dict[str, np.ndarray]
"""``image`` and, where they are truly known, ``foreground`` and ``background``: H×W×3 uint8."""


@dataclass(frozen=True)
class OriginalTrack:
    """ORI: natural photos.

    Attributes:
        name: of the track.
        foreground: ``closed_form`` reads estimated foregrounds and backgrounds, which the
            composition loss needs; ``image`` trains without that loss.
    """

    name: str = "ori"
    foreground: Foreground = "image"
    backgrounds_per_foreground: int = 1

    def photos(self, roots: Roots) -> list[Photo]:
        """The foregrounds."""
        return training_photos(roots.photos, self.foreground, False, roots.folders)

    def scenes(self, roots: Roots) -> list[Scene]:
        """The backgrounds: none but the photo's own."""
        return []

    def compose(
        self,
        photo: Photo,
        scene: Scene | None,
        alpha: np.ndarray,
        crop: Crop,
        rng: np.random.Generator,
    ) -> Layers:
        """The photo's window, and its layers where they are known.

        Args:
            photo: to show.
            scene: ignored.
            alpha: H×W uint8 matte of the whole photo.
            crop: of the photo to make.
            rng: unused, nothing is left to chance.

        Raises:
            GFMError: a file is unreadable or its size is not the matte's.
        """
        layers = {"image": photo.image, "foreground": photo.foreground}
        layers["background"] = photo.background
        return {k: read_crop(p, alpha.shape, crop) for k, p in layers.items() if p}


@dataclass(frozen=True)
class CompositeTrack:
    """COMP: foregrounds over backgrounds of another dataset, blended as they are.

    Attributes:
        name: of the track.
        backgrounds: ``bg20k`` or ``coco``.
        foreground: ``closed_form`` blends the estimated foreground F, so that F and B of the
            composite are known; ``image`` blends the photo itself, without composition loss.
            (The official code multiplies that photo by alpha beforehand, so its composites show
            alpha² and its loss penalises the true alpha.)
        backgrounds_per_foreground: samples per photo and epoch; each draws from all backgrounds.
            (The official code ignores its setting: photo i always meets background i.)
    """

    name: str = "comp_coco"
    backgrounds: str = "coco"
    foreground: Foreground = "image"
    backgrounds_per_foreground: int = 5

    def photos(self, roots: Roots) -> list[Photo]:
        """The foregrounds."""
        return training_photos(roots.photos, self.foreground, False, roots.folders)

    def scenes(self, roots: Roots) -> list[Scene]:
        """The backgrounds."""
        return scenes(getattr(roots, self.backgrounds), f"paths.{self.backgrounds}")

    def compose(
        self,
        photo: Photo,
        scene: Scene | None,
        alpha: np.ndarray,
        crop: Crop,
        rng: np.random.Generator,
    ) -> Layers:
        """The window of a composite.

        Args:
            photo: gives the foreground.
            scene: gives the background, enlarged or reduced to the photo's size.
            alpha: H×W uint8 matte of the whole photo.
            crop: of the photo to make.
            rng: of the sample.

        Raises:
            GFMError: a file is unreadable or its size is not the matte's.
        """
        assert scene is not None
        foreground_path = photo.foreground or photo.image
        foreground = read_crop(foreground_path, alpha.shape, crop)
        background = crop.of(fit_background(scene.image, alpha.shape))
        image = blend(foreground, background, crop.of(alpha))
        return self.layers(image, foreground, background)

    def layers(self, image: np.ndarray, foreground: np.ndarray, background: np.ndarray) -> Layers:
        """The composite, with its layers where the foreground's colours are known."""
        if self.foreground == "image":
            return {"image": image}
        return {"image": image, "foreground": foreground, "background": background}


@dataclass(frozen=True)
class RssnTrack(CompositeTrack):
    """COMP by the RSSN route over BG-20k.

    Attributes:
        denoise: whether denoised pairs are used; needs ``fg_denoise`` (or ``original_denoise``)
            and ``train_denoise``.
        denoise_probability: of using the denoised foreground and background.
        blur_probability: of blurring the background.
        blur_sizes: sides of the box filter in pixels of the photo, one drawn at random.
        noise_probability: of adding noise.
        noise_sigma: its standard deviation, of 255.
    """

    name: str = "comp_rssn"
    backgrounds: str = "bg20k"
    denoise: bool = False
    denoise_probability: float = 0.5
    blur_probability: float = 0.5
    blur_sizes: Sequence[int] = field(default=(20, 30, 40, 50, 60))
    noise_probability: float = 0.5
    noise_sigma: float = 10.0

    def photos(self, roots: Roots) -> list[Photo]:
        """The foregrounds."""
        return training_photos(roots.photos, self.foreground, self.denoise, roots.folders)

    def scenes(self, roots: Roots) -> list[Scene]:
        """The backgrounds."""
        return scenes(getattr(roots, self.backgrounds), f"paths.{self.backgrounds}", self.denoise)

    def compose(
        self,
        photo: Photo,
        scene: Scene | None,
        alpha: np.ndarray,
        crop: Crop,
        rng: np.random.Generator,
    ) -> Layers:
        """The window of a composite by RSSN; arguments as in the base class."""
        assert scene is not None
        # All chances are drawn first, so that each part of a sample can be varied by itself.
        is_denoised = self.denoise and rng.random() < self.denoise_probability
        blur_size = int(rng.choice(self.blur_sizes)) if rng.random() < self.blur_probability else 0
        has_noise = rng.random() < self.noise_probability
        noise_seed = int(rng.integers(2**31))

        foreground_path = photo.foreground or photo.image
        background_path = scene.image
        if is_denoised:
            foreground_path = photo.denoised or foreground_path
            background_path = scene.denoised or background_path
        foreground = read_crop(foreground_path, alpha.shape, crop)
        background = fit_background(background_path, alpha.shape)
        background = crop.pick(blur_window(background, crop.window, blur_size))
        image = blend(foreground, background, crop.of(alpha))
        if has_noise:
            # On the pixels that count alone, which leaves its distribution as it is.
            layers = add_noise([image, foreground, background], self.noise_sigma, noise_seed)
            image, foreground, background = layers
        return self.layers(image, foreground, background)
