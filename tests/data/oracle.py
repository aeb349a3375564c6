"""Makes a training sample in the official order: everything at full size first, the crop last.

Written from the published description and kept slow: decode all, resize the whole background by
scikit-image, blur and blend and add noise on whole pictures, three label maps by morphology on
whole mattes; then crop and resize each by OpenCV. The bugs of the official code that this
    project fixes are fixed here too; otherwise nothing could be compared.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image
from skimage.transform import resize as skimage_resize

from gfm.data.layout import Photo, Scene
from gfm.data.transforms import Window


@dataclass(frozen=True)
class Chances:
    """The random choices in a sample by RSSN."""

    is_denoised: bool = False
    blur_size: int = 0
    noise_sigma: float = 0.0


def _read(path) -> np.ndarray:
    return np.array(Image.open(path).convert("RGB"))


def _label_maps(alpha: np.ndarray) -> dict[str, np.ndarray]:
    maps = {}
    for size in (25, 50):
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        # In floats, as is usual in matting code, at four times the cost of bytes.
        dilation = cv2.dilate(np.not_equal(alpha, 0).astype(np.float32), kernel)
        erosion = cv2.erode(np.equal(alpha, 255).astype(np.float32), kernel)
        maps[f"trimap_{size}"] = (255 * erosion + 128 * (dilation - erosion)).astype(np.uint8)
    return maps


def _composite(
    photo: Photo, scene: Scene, alpha: np.ndarray, chances: Chances, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    foreground = _read(photo.foreground or photo.image)
    background = _read(scene.image)
    if photo.denoised and scene.denoised:  # read whether or not they are used
        pair = _read(photo.denoised), _read(scene.denoised)
        foreground, background = pair if chances.is_denoised else (foreground, background)
    background = skimage_resize(background, foreground.shape[:2]) * 255
    if chances.blur_size:
        background = cv2.blur(background, (chances.blur_size, chances.blur_size))
    weight = alpha[:, :, None] / 255
    image = weight * foreground + (1 - weight) * background
    layers = {"image": image, "foreground": foreground, "background": background}
    if chances.noise_sigma:
        noise = rng.normal(0, chances.noise_sigma, image.shape)
        layers = {k: v + noise for k, v in layers.items()}
    layers = {k: np.clip(np.rint(v), 0, 255).astype(np.uint8) for k, v in layers.items()}
    return layers if photo.foreground else {"image": layers["image"]}


def _photo(photo: Photo, alpha: np.ndarray) -> dict[str, np.ndarray]:
    image = _read(photo.image)
    if photo.foreground and photo.background:
        paths = {"foreground": photo.foreground, "background": photo.background}
        return {"image": image, **{k: _read(path) for k, path in paths.items()}}
    # Placeholders of the official order; they are not true layers, so they are not returned.
    weight = alpha[:, :, None] / 255
    for product in (weight * image, (1 - weight) * image):
        product.astype(np.uint8)
    return {"image": image}


def official_sample(
    photo: Photo,
    scene: Scene | None,
    window: Window,
    input_size: int,
    chances: Chances = Chances(),
    rng: np.random.Generator | None = None,
) -> dict[str, np.ndarray]:
    """Return the arrays of one sample: layers, ``alpha``, ``trimap_25`` and ``trimap_50``."""
    alpha = cv2.imread(str(photo.alpha), cv2.IMREAD_GRAYSCALE)
    labels = _label_maps(alpha)
    if scene:
        layers = _composite(photo, scene, alpha, chances, rng or np.random.default_rng(0))
    else:
        layers = _photo(photo, alpha)
    size = (input_size, input_size)
    crops = {k: cv2.resize(window.of(v), size) for k, v in {**layers, "alpha": alpha}.items()}
    nearest = cv2.INTER_NEAREST_EXACT
    crops |= {k: cv2.resize(window.of(v), size, interpolation=nearest) for k, v in labels.items()}
    return crops
