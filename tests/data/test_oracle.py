"""The fast path makes the samples of the slow, official order."""

import numpy as np
import pytest

from gfm.data.dataset import SampleOptions, TrainingSet
from gfm.data.layout import Roots
from gfm.data.matte import Matte
from gfm.data.tracks import CompositeTrack, OriginalTrack, RssnTrack
from gfm.data.transforms import Crop, JointTransform, Window
from gfm.prepare.pack import prepare_pack
from tests.data.oracle import Chances, official_sample

INPUT = 16
WINDOWS = [Window(30, 40, step * INPUT, step * INPUT) for step in (1, 2, 3, 4, 5)]
WINDOWS += [Window(0, 0, 41, 41), Window(64, 96, 64, 64)]


def fast_sample(track, photo, scene, window, seed=0) -> dict[str, np.ndarray]:
    matte = Matte(photo)
    crop = Crop(window, INPUT, "linear")
    rng = np.random.default_rng(seed)
    arrays = track.compose(photo, scene, matte.alpha, crop, rng)
    arrays["alpha"] = crop.of(matte.alpha)
    for size in (25, 50):
        arrays[f"trimap_{size}"] = crop.subsample_labels(matte.trimap(size, window))
    return JointTransform(INPUT, flip_probability=0)(arrays, 0)


def differences(fast, slow) -> dict[str, np.ndarray]:
    assert set(fast) == set(slow)
    return {k: np.abs(fast[k].astype(float) - slow[k]) for k in slow}


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_ori_is_exact(demo_roots, window):
    track = OriginalTrack(foreground="closed_form")
    photo = track.photos(demo_roots)[0]
    gaps = differences(
        fast_sample(track, photo, None, window), official_sample(photo, None, window, INPUT)
    )
    assert {k: v.max() for k, v in gaps.items()} == dict.fromkeys(gaps, 0)


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("blur", [0, 20])
def test_composites_differ_by_the_background_alone(demo_roots, window, blur):
    """The background is resized by OpenCV in 8 bits there, by scikit-image in floats here."""
    chances = {"denoise_probability": 1, "noise_probability": 0, "blur_sizes": [20]}
    track = RssnTrack(foreground="closed_form", denoise=True, blur_probability=blur > 0, **chances)
    photo, scene = track.photos(demo_roots)[1], track.scenes(demo_roots)[0]
    slow = official_sample(photo, scene, window, INPUT, Chances(True, blur))
    gaps = differences(fast_sample(track, photo, scene, window), slow)
    for name in ("alpha", "foreground", "trimap_25", "trimap_50"):
        assert gaps[name].max() == 0
    for name in ("image", "background"):
        assert gaps[name].mean() < 0.6
        assert gaps[name].max() <= 8


def test_coco_without_foregrounds(demo_roots):
    track = CompositeTrack()
    photo, scene = track.photos(demo_roots)[0], track.scenes(demo_roots)[0]
    window = WINDOWS[2]
    slow = official_sample(photo, scene, window, INPUT)
    gaps = differences(fast_sample(track, photo, scene, window), slow)
    assert gaps["image"].mean() < 1.5


@pytest.mark.parametrize("window", WINDOWS[1:4], ids=str)
def test_noise_has_the_official_distribution(demo_roots, window):
    """It is added after pixels are dropped, but must average as noise at full size does."""
    track = RssnTrack(foreground="closed_form", noise_probability=1, blur_probability=0)
    photo, scene = track.photos(demo_roots)[0], track.scenes(demo_roots)[0]
    clean = RssnTrack(foreground="closed_form", noise_probability=0, blur_probability=0)
    base = fast_sample(clean, photo, scene, window)["foreground"].astype(float)
    inside = (base > 50) & (base < 205)
    rng = np.random.default_rng(0)
    fast, slow = [], []
    for seed in range(40):
        fast.append(fast_sample(track, photo, scene, window, seed)["foreground"] - base)
        official = official_sample(photo, scene, window, INPUT, Chances(noise_sigma=10), rng)
        slow.append(official["foreground"] - base)
    ours, theirs = (np.stack(fields)[:, inside] for fields in (fast, slow))
    assert ours.mean() == pytest.approx(theirs.mean(), abs=0.25)
    assert ours.std() == pytest.approx(theirs.std(), rel=0.05)


def test_packed_samples_are_the_same(demo_roots, tmp_path):
    packed = Roots(**prepare_pack(demo_roots, tmp_path))
    track = RssnTrack(foreground="closed_form", denoise=True)
    options = SampleOptions(rosta="rim", input_size=16, crop_sizes=[32, 48])
    raw, fast = (
        TrainingSet(track, track.photos(roots), track.scenes(roots), options)
        for roots in (demo_roots, packed)
    )
    assert fast.photos[0].alpha.suffix == ".npy"
    for index in range(0, len(raw), 3):
        one, other = raw[0, index], fast[0, index]
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[k], other[k]) for k in one)
