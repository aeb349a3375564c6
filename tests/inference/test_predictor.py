"""``load_model`` and its predictor: results have the type of their pictures."""

import numpy as np
import pytest
import torch
from PIL import Image

import gfm
from gfm import load_model
from gfm.errors import GFMError
from gfm.inference import Hybrid, Native, Resize
from gfm.inference.foreground import estimate_foreground
from gfm.inference.pictures import to_batch
from tests.inference.small import write_network

PHOTO = np.random.default_rng(0).integers(0, 255, (70, 90, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("networks")


@pytest.fixture(scope="module")
def weights(folder):
    return write_network(folder / "tt.ckpt")


@pytest.fixture(scope="module")
def matte(weights):
    return load_model(weights, device="cpu", inference="native")


def test_all_types_of_pictures_give_the_same_matte(matte):
    expected = matte(PHOTO)
    assert expected.shape == (70, 90)
    assert expected.dtype == np.float32
    assert 0 <= expected.min() < expected.max() <= 1
    image = matte(Image.fromarray(PHOTO))
    assert (image.mode, image.size) == ("L", (90, 70))
    np.testing.assert_array_equal(np.array(image), np.round(expected * 255))
    tensor = torch.from_numpy(PHOTO).permute(2, 0, 1)
    for picture in (tensor, tensor / 255):
        alpha = matte(picture)
        assert alpha.shape == (1, 70, 90)
        np.testing.assert_allclose(alpha[0], expected, atol=1e-5)
    np.testing.assert_allclose(matte(PHOTO / 255), expected, atol=1e-5)
    np.testing.assert_allclose(matte(PHOTO.astype(np.uint16) * 257), expected, atol=1e-5)


def test_batches_and_sequences(matte):
    photos = np.stack([PHOTO, PHOTO[::-1]])
    alphas = matte(photos)
    assert alphas.shape == (2, 70, 90)
    one_by_one = matte([PHOTO, PHOTO[::-1]])
    np.testing.assert_allclose(alphas, np.stack(one_by_one), atol=1e-5)
    assert matte(torch.rand(2, 3, 33, 40)).shape == (2, 1, 33, 40)
    sizes = [a.shape for a in matte([PHOTO, PHOTO[:40]])]
    assert sizes == [(70, 90), (40, 90)]


def test_cutouts_have_the_estimated_colours(matte):
    cutout = matte.cutout(PHOTO)
    assert (cutout.shape, cutout.dtype) == ((70, 90, 4), np.uint8)
    np.testing.assert_array_equal(cutout[..., 3], np.round(matte(PHOTO) * 255))
    batch = to_batch(PHOTO)
    colours = estimate_foreground(batch, matte.predict(batch).alpha)[0].permute(1, 2, 0) * 255
    np.testing.assert_array_equal(cutout[..., :3], colours.round().numpy())
    assert matte.cutout(Image.fromarray(PHOTO)).mode == "RGBA"
    assert matte.cutout(torch.rand(3, 40, 50)).shape == (4, 40, 50)
    assert matte.cutout(PHOTO / 255).dtype == np.float32


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((5, 5, 4), np.uint8), "shape"),
        (np.full((5, 5, 3), 2.0), "from 2 to 2"),
        (torch.zeros(3, 0, 5), "shape"),
    ],
)
def test_unsupported_pictures(matte, picture, message):
    """``tests/reliability/test_python_surface.py`` tests more of them."""
    for call in (matte, matte.cutout, matte.predict):
        with pytest.raises(GFMError, match=message):
            call(picture)


def test_inferer_of_the_run_or_the_official_one(folder, weights):
    assert isinstance(load_model(weights).inferer, Hybrid)
    rim = write_network(folder / "rim.ckpt", "rim")
    inferer = load_model(rim).inferer
    assert (type(inferer), inferer.scale) == (Resize, 1 / 3)
    config = {
        "inference": {"_target_": "gfm.inference.Native"},
        "data": {"scales": {"glance": 0.1, "focus": 0.2, "resize": 0.3, "rim": 0.4}},
    }
    trained = write_network(folder / "trained.ckpt", config=config)
    assert isinstance(load_model(trained).inferer, Native)
    assert load_model(trained, inference="resize").inferer.scale == 0.3
    hybrid = load_model(trained, inference="hybrid").inferer
    assert (hybrid.glance_scale, hybrid.focus_scale) == (0.1, 0.2)
    inferer = Resize(0.7)
    assert load_model(trained, inference=inferer).inferer is inferer


def test_a_branch_of_rim(folder):
    rim = write_network(folder / "branches.ckpt", "rim")
    alphas = load_model(rim, inference="native").predict(torch.rand(1, 3, 64, 64)).alphas
    assert set(alphas) == {"tt", "ft", "bt"}
    mattes = [load_model(rim, inference="native", branch=b)(PHOTO) for b in (None, "tt", "ft")]
    assert not np.allclose(mattes[1], mattes[2])
    assert not np.allclose(mattes[0], mattes[1])


def test_large_pictures_are_shrunk_for_the_network(weights):
    seen = []

    def inferer(model, image):
        seen.append(tuple(image.shape[-2:]))
        return Native()(model, image)

    matte = load_model(weights, inference=inferer, max_size=40)
    assert matte(PHOTO).shape == (70, 90)
    found = matte.predict(torch.rand(1, 3, 90, 70))
    assert {tuple(x.shape[-2:]) for x in (*found[:3], found.alphas["tt"])} == {(90, 70)}
    matte.max_size = None
    matte(PHOTO)
    assert seen == [(40, 51), (51, 40), (70, 90)]


def test_the_default_device_of_torch_does_not_matter(weights):
    """As after ``torch.set_default_device("cuda")``; "meta" stands for a GPU."""
    matte = load_model(weights, device="cpu", inference="hybrid", max_size=53)
    photo = PHOTO[:, ::-1]  # with sides of which no other test has resized any
    with torch.device("meta"):
        cutout = matte.cutout(photo)
    np.testing.assert_array_equal(cutout, matte.cutout(photo))


def test_half_precision_is_close(weights, matte):
    rough = load_model(weights, device="cpu", inference="native", precision="bf16")
    off = (rough.predict(PHOTO).focus - matte.predict(PHOTO).focus).abs()
    assert 0 < off.mean() < 0.02


def test_autocast_of_the_caller_does_not_change_float32(matte):
    expected = matte(PHOTO)
    with torch.autocast("cpu", torch.bfloat16):
        np.testing.assert_array_equal(matte(PHOTO), expected)


@pytest.mark.parametrize(
    ("precision", "expected"), [("32", (False, "highest")), ("bf16", (True, "high"))]
)
def test_tf32_is_as_in_evaluations(weights, monkeypatch, precision, expected):
    """The settings of the process are restored afterwards."""

    def settings():
        return torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()

    def inferer(model, image):
        assert settings() == expected
        return Native()(model, image)

    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", not expected[0])
    before = settings()
    load_model(weights, device="cpu", inference=inferer, precision=precision)(PHOTO)
    assert settings() == before


def test_a_network_that_overflows_in_float16(weights):
    """Its matte would be empty."""
    matte = load_model(weights, device="cpu", inference="native", precision="16")
    for layer in ("encoder.net.conv1.0", "focus.bridge.0"):
        matte.model.get_submodule(layer).weight.data *= 1000
    with pytest.raises(GFMError, match="overflows in float16: choose precision bf16 or 32"):
        matte(PHOTO)
    matte.precision = "bf16"
    assert matte(PHOTO).any()


def test_a_gpu_without_kernels(weights, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("CUDA error: no kernel image is available\nmore")

    monkeypatch.setattr(torch, "ones", fail)
    message = r"cannot use device \w+ \(CUDA error: no kernel image is available\): choose cpu"
    with pytest.raises(GFMError, match=message):
        load_model(weights)


def test_apple_gpus_are_the_default(weights, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    with pytest.raises(GFMError, match="cannot use device mps"):  # there is none on this machine
        load_model(weights)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"branch": "ft"}, "no branch 'ft': choose tt"),
        ({"precision": "64"}, "choose 32, bf16 or 16"),
        ({"inference": "hybird"}, "choose hybrid, resize, rim or native"),
        ({"device": "abacus"}, "cannot use device abacus"),
        ({"max_size": 0}, "at least 1"),
        ({"foreground": "levin"}, "choose blur or ml"),
    ],
)
def test_wrong_options(weights, options, message):
    with pytest.raises(GFMError, match=message):
        load_model(weights, **options)


def test_a_mistyped_name_of_the_package():
    with pytest.raises(AttributeError, match="no attribute 'load_modle'"):
        gfm.load_modle  # noqa: B018
