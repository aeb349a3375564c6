"""Tracks, which compose the picture of a training sample from layers.

ORI shows the photo itself. COMP blends its foreground over another background. The RSSN route also
removes what gives a composite away: discrepancies of resolution (HD backgrounds), semantics (BG-20k
shows no animals), sharpness (blur) and noise (denoised pairs, common noise). See Li et al., IJCV
2022, section 5.

A track is a dataclass with ``backgrounds_per_foreground``, ``photos``, ``scenes`` and ``compose``.
To add one, write such a class and a YAML file that names it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gfm.data.backgrounds import read_background
from gfm.data.compositing import Parts, add_noise, blend, blur, read_crop
from gfm.data.layout import Backgrounds, Datasets, Foreground, Photo, Scene
from gfm.data.transforms import Crop
from gfm.errors import GFMError

Layers = dict[str, np.ndarray]
"""``image`` and, only if exactly known, ``foreground`` and ``background``; H×W×3, uint8."""


@dataclass(frozen=True)
class OriginalTrack:
    """ORI: natural photos.

    Attributes:
        name: Name of the track.
        foreground: ``closed_form`` reads the estimated foregrounds and backgrounds that the
            composition loss needs; ``image`` trains without that loss.
        backgrounds_per_foreground: Samples per photo and epoch.
    """

    name: str = "ori"
    foreground: Foreground = "image"
    backgrounds_per_foreground: int = 1

    def photos(self, datasets: Datasets) -> list[Photo]:
        """List the photos.

        Raises:
            GFMError: Files are missing, or the photos are cut-outs, which have no background.
        """
        photos = datasets.training(self.foreground, False)
        if cutout := next((photo for photo in photos if photo.is_cutout), None):
            raise GFMError(
                f"{cutout.image.parent} holds cut-outs, which need backgrounds: set "
                "track=comp_rssn paths.bg20k=<folder of backgrounds>"
            )
        return photos

    def scenes(self, datasets: Datasets) -> list[Scene]:
        """List no backgrounds, because photos keep their own."""
        return []

    def compose(
        self,
        photo: Photo,
        scene: Scene | None,
        alpha: np.ndarray,
        crop: Crop,
        rng: np.random.Generator,
    ) -> Layers:
        """Cut a window out of a photo, and out of its layers where they are known.

        Args:
            photo: Photo to show.
            scene: Not used.
            alpha: Matte of the whole photo, H×W, uint8.
            crop: Part of the photo to show.
            rng: Not used, because nothing is random.

        Raises:
            GFMError: A file is unreadable, or its size differs from that of the matte.
        """
        layers = {"image": photo.image, "foreground": photo.foreground}
        layers["background"] = photo.background
        return {k: read_crop(p, alpha.shape, crop) for k, p in layers.items() if p}


@dataclass(frozen=True)
class CompositeTrack:
    """COMP: foregrounds blended over backgrounds of a different dataset.

    Attributes:
        name: Name of the track.
        backgrounds: ``bg20k`` or ``coco``.
        foreground: ``closed_form`` blends the estimated foreground F, so that F and B of the
            composite are known; ``image`` blends the photo itself, without the composition loss.
            (The official code multiplies that photo by alpha beforehand, so its composites show
            alpha² and its loss penalises the true alpha.)
        backgrounds_per_foreground: Samples per photo and epoch, each with a background drawn from
            all. (The official code ignores its setting: photo i always meets background i.)
    """

    name: str = "comp_coco"
    backgrounds: Backgrounds = "coco"
    foreground: Foreground = "image"
    backgrounds_per_foreground: int = 5

    def photos(self, datasets: Datasets) -> list[Photo]:
        """List the photos that give the foregrounds."""
        return datasets.training(self.foreground, False)

    def scenes(self, datasets: Datasets) -> list[Scene]:
        """List the backgrounds."""
        return datasets.scenes(self.backgrounds)

    def compose(
        self,
        photo: Photo,
        scene: Scene | None,
        alpha: np.ndarray,
        crop: Crop,
        rng: np.random.Generator,
    ) -> Layers:
        """Make the crop of a composite; see :meth:`parts`."""
        assert scene is not None
        parts = blur(self.parts(photo, scene, alpha.shape, crop, rng), crop)
        image = blend(parts.foreground, parts.background, crop.of(alpha))
        layers = self.layers(image, parts.foreground, parts.background)
        if not parts.noise_sigma:
            return layers
        # Only the pixels of the crop get noise; its distribution stays the same.
        noisy = add_noise(list(layers.values()), parts.noise_sigma, parts.noise_seed)
        return dict(zip(layers, noisy, strict=True))

    def parts(
        self,
        photo: Photo,
        scene: Scene,
        size: tuple[int, ...],
        crop: Crop,
        rng: np.random.Generator,
    ) -> Parts:
        """Read the layers of a composite's crop.

        Args:
            photo: Provides the foreground.
            scene: Provides the background, which is resized to the size of the photo.
            size: (height, width) of the matte of the whole photo.
            crop: Part of the photo to show.
            rng: Random numbers of the sample.

        Raises:
            GFMError: A file is unreadable, or its size differs from that of the matte.
        """
        return Parts(
            read_crop(photo.foreground or photo.image, size, crop),
            read_background(scene.image, size, crop),
        )

    def layers(self, image: np.ndarray, foreground: np.ndarray, background: np.ndarray) -> Layers:
        """Return a composite, with its layers if the colours of the foreground are known."""
        if self.foreground == "image":
            return {"image": image}
        return {"image": image, "foreground": foreground, "background": background}


@dataclass(frozen=True)
class RssnTrack(CompositeTrack):
    """COMP by the RSSN route over BG-20k.

    Attributes:
        denoise: Whether to use denoised pairs, which needs ``fg_denoise`` (or ``original_denoise``)
            and ``train_denoise``.
        background_detail: Resolution of backgrounds as a fraction of the photo's. Below 1, they are
            shrunk and enlarged again, which brings back the discrepancy that HD backgrounds remove.
        denoise_probability: Probability of using the denoised foreground and background.
        blur_probability: Probability of blurring the background.
        blur_sizes: Sides of the box filter to draw from, in pixels of the photo.
        noise_probability: Probability of adding noise.
        noise_sigma: Standard deviation of the noise, on the scale of 0..255.
    """

    name: str = "comp_rssn"
    backgrounds: Backgrounds = "bg20k"
    denoise: bool = False
    background_detail: float = 1.0
    denoise_probability: float = 0.5
    blur_probability: float = 0.5
    blur_sizes: Sequence[int] = field(default=(20, 30, 40, 50, 60))
    noise_probability: float = 0.5
    noise_sigma: float = 10.0

    def photos(self, datasets: Datasets) -> list[Photo]:
        """List the photos that give the foregrounds."""
        return datasets.training(self.foreground, self.denoise)

    def scenes(self, datasets: Datasets) -> list[Scene]:
        """List the backgrounds."""
        return datasets.scenes(self.backgrounds, self.denoise)

    def parts(
        self,
        photo: Photo,
        scene: Scene,
        size: tuple[int, ...],
        crop: Crop,
        rng: np.random.Generator,
    ) -> Parts:
        """Read the layers, and draw the options of RSSN; see :meth:`CompositeTrack.parts`."""
        # Draw all random numbers before reading any file.
        is_denoised = self.denoise and rng.random() < self.denoise_probability
        blur_size = int(rng.choice(self.blur_sizes)) if rng.random() < self.blur_probability else 0
        has_noise = rng.random() < self.noise_probability
        noise_seed = int(rng.integers(2**31))

        foreground_path = photo.foreground or photo.image
        background_path = scene.image
        if is_denoised:
            foreground_path = photo.denoised or foreground_path
            background_path = scene.denoised or background_path
        return Parts(
            read_crop(foreground_path, size, crop),
            read_background(background_path, size, crop, blur_size, self.background_detail),
            blur_size,
            self.noise_sigma if has_noise else 0.0,
            noise_seed,
        )
