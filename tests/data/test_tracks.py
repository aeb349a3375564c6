"""Tracks: the layers of a sample."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from gfm.data.compositing import blend
from gfm.data.images import read_alpha, read_image, write_png
from gfm.data.layout import Photo, Roots, Scene
from gfm.data.tracks import CompositeTrack, OriginalTrack, RssnTrack
from gfm.data.transforms import Crop, Window
from gfm.errors import GFMError

SIZE = (60, 80)
WINDOW = Window(10, 20, 40, 40)


@pytest.fixture
def photo(tmp_path) -> Photo:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    alpha = np.clip((25 - np.hypot(y - 30, x - 40)) * 25, 0, 255).astype(np.uint8)
    write_png(tmp_path / "alpha.png", alpha)
    for name in ("image", "foreground", "background", "denoised"):
        write_png(tmp_path / f"{name}.png", rng.integers(0, 256, (*SIZE, 3), np.uint8))
    paths = {n: tmp_path / f"{n}.png" for n in ("image", "alpha", "foreground", "background")}
    return Photo("p", denoised=tmp_path / "denoised.png", **paths)


@pytest.fixture
def scene(tmp_path) -> Scene:
    rng = np.random.default_rng(1)
    for name in ("scene", "scene_denoised"):
        write_png(tmp_path / f"{name}.png", rng.integers(0, 256, (*SIZE, 3), np.uint8))
    return Scene(tmp_path / "scene.png", tmp_path / "scene_denoised.png")


def _compose(track, photo, scene, seed=0):
    rng = np.random.default_rng(seed)
    crop = Crop(WINDOW, 40, "linear")
    return track.compose(photo, scene, read_alpha(photo.alpha), crop, rng)


def _expected(photo, foreground, scene):
    """Blended slowly, in float64."""
    alpha = WINDOW.of(read_alpha(photo.alpha))[:, :, None] / 255
    layers = (WINDOW.of(read_image(path)).astype(float) for path in (foreground, scene))
    first, second = layers
    return alpha * first + (1 - alpha) * second


def test_blend_rounds():
    alpha = np.array([[0, 128, 255]], np.uint8)
    foreground = np.full((1, 3, 3), 255, np.uint8)
    background = np.zeros((1, 3, 3), np.uint8)
    assert blend(foreground, background, alpha)[0, :, 0].tolist() == [0, 128, 255]


def test_ori_shows_the_photo(photo):
    known = _compose(OriginalTrack(foreground="closed_form"), photo, None)
    assert set(known) == {"image", "foreground", "background"}
    for name, array in known.items():
        np.testing.assert_array_equal(array, WINDOW.of(read_image(getattr(photo, name))))
    unknown = replace(photo, foreground=None, background=None)
    assert set(_compose(OriginalTrack(), unknown, None)) == {"image"}


def test_composite_of_an_estimated_foreground(photo, scene):
    layers = _compose(CompositeTrack(foreground="closed_form"), photo, scene)
    expected = _expected(photo, photo.foreground, scene.image)
    assert np.abs(layers["image"] - expected).max() <= 0.5 + 1e-3
    np.testing.assert_array_equal(layers["background"], WINDOW.of(read_image(scene.image)))


def test_composite_of_the_photo_itself_blends_alpha_once(photo, scene):
    """The official code multiplies twice; and without F there is no composition loss."""
    layers = _compose(CompositeTrack(), replace(photo, foreground=None), scene)
    expected = _expected(photo, photo.image, scene.image)
    assert np.abs(layers["image"] - expected).max() <= 0.5 + 1e-3
    assert set(layers) == {"image"}


def rssn(**chances) -> RssnTrack:
    off = dict.fromkeys(("denoise", "blur", "noise"), 0.0) | chances
    return RssnTrack(
        foreground="closed_form",
        denoise=off["denoise"] > 0,
        denoise_probability=off["denoise"],
        blur_probability=off["blur"],
        blur_sizes=(20,),
        noise_probability=off["noise"],
    )


def test_rssn_uses_denoised_pairs(photo, scene):
    layers = _compose(rssn(denoise=1.0), photo, scene)
    expected = _expected(photo, photo.denoised, scene.denoised)
    assert np.abs(layers["image"] - expected).max() <= 0.5 + 1e-3


def test_rssn_blurs_the_background_alone(photo, scene):
    layers = _compose(rssn(blur=1.0), photo, scene)
    blurred = WINDOW.of(cv2.blur(read_image(scene.image), (20, 20)))
    np.testing.assert_array_equal(layers["background"], blurred)
    np.testing.assert_array_equal(layers["foreground"], WINDOW.of(read_image(photo.foreground)))


def test_backgrounds_of_less_detail_leave_foregrounds_as_they_are(photo, scene):
    track = replace(rssn(), background_detail=0.4)
    layers, full = (_compose(t, photo, scene) for t in (track, rssn()))
    np.testing.assert_array_equal(layers["foreground"], full["foreground"])
    assert layers["background"].astype(float).std() < full["background"].astype(float).std() / 2


def test_rssn_noise_is_one_field_and_saturates(photo, scene):
    clean, noisy = (_compose(rssn(noise=chance), photo, scene) for chance in (0.0, 1.0))
    fields = {name: noisy[name].astype(int) - clean[name] for name in clean}
    inside = np.all([(array > 60) & (array < 195) for array in clean.values()], axis=0)
    np.testing.assert_array_equal(fields["image"][inside], fields["foreground"][inside])
    np.testing.assert_array_equal(fields["image"][inside], fields["background"][inside])
    assert fields["image"][inside].std() == pytest.approx(10, rel=0.1)
    assert np.abs(fields["image"]).max() < 60  # a value that wraps differs by nearly 256


def test_rssn_chances(photo, scene):
    track = rssn(blur=0.5, noise=0.5)
    samples = [_compose(track, photo, scene, seed) for seed in range(200)]
    blurred = sum(s["background"].astype(float).std() < 50 for s in samples) / len(samples)
    original = WINDOW.of(read_image(photo.foreground))
    noisy = sum((s["foreground"] != original).any() for s in samples) / len(samples)
    assert blurred == pytest.approx(0.5, abs=0.12)
    assert noisy == pytest.approx(0.5, abs=0.12)


def test_another_size_than_the_matte(photo, tmp_path):
    write_png(tmp_path / "wrong.png", np.zeros((5, 6, 3), np.uint8))
    with pytest.raises(GFMError, match=r"wrong.png has 5×6 pixels, its matte 60×80"):
        _compose(OriginalTrack(), replace(photo, image=tmp_path / "wrong.png"), None)


def test_track_needs_its_backgrounds(demo_roots):
    with pytest.raises(GFMError, match=r"paths.bg20k"):
        RssnTrack().scenes(Roots(demo_roots.photos))
