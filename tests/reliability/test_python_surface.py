"""Functions return correct numbers for unusual input, and explain what is wrong with bad input."""

import numpy as np
import pytest
import torch
from PIL import Image

from gfm.compat.hydra import instantiate
from gfm.errors import GFMError
from gfm.inference import Hybrid, Native, Predictor, Resize
from gfm.inference.pictures import to_batch
from gfm.losses import Criterion, alpha_loss, composition_loss, glance_loss, laplacian_loss
from gfm.metrics import matting_metrics
from gfm.metrics import sum_absolute_difference as sad
from tests.conftest import SMALL_NODE

IMAGE = torch.rand(1, 3, 40, 33, generator=torch.Generator().manual_seed(0))
ALPHA = IMAGE[:, :1]
BYTES = np.zeros((5, 4, 3), np.uint8)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return instantiate(SMALL_NODE).eval()


INFERERS = {"hybrid": Hybrid(), "resize": Resize(), "native": Native()}
WRONG_IMAGES = {
    "no batch": (IMAGE[0], ValueError, r"shape \(3, 40, 33\): expected \(N, 3, H, W\)"),
    "grey": (ALPHA, ValueError, r"shape \(1, 1, 40, 33\): expected \(N, 3"),
    "RGBA": (torch.rand(1, 4, 32, 32), ValueError, r"\(1, 4, 32, 32\): expected"),
    "channels last": (torch.rand(1, 32, 32, 3), ValueError, r"expected \(N, 3, H, W\)"),
    "bytes": ((IMAGE * 255).byte(), TypeError, r"torch.uint8: pass floats .* / 255"),
    "no image": (IMAGE[:0], ValueError, "at least one image"),
    "no pixel": (IMAGE[:, :, :0], ValueError, "at least one pixel"),
    "an array": (IMAGE.numpy(), TypeError, "ndarray: pass a tensor, or use Predictor"),
    "elsewhere": (IMAGE.to("meta"), ValueError, "on meta but the network is on cpu"),
}


@pytest.mark.parametrize("name", WRONG_IMAGES)
@torch.no_grad()
def test_networks_and_inferers_reject_invalid_images(model, name):
    image, error, words = WRONG_IMAGES[name]
    calls = [model, model.run_glance, model.run_focus]
    for call in [*calls, *(lambda x, i=i: i(model, x) for i in INFERERS.values())]:
        with pytest.raises(error, match=words) as caught:
            call(image)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("inferer", INFERERS)
@torch.no_grad()
def test_inferers_take_any_floats_and_strides(model, inferer):
    infer = INFERERS[inferer]
    expected = infer(model, IMAGE).alpha
    assert torch.allclose(infer(model, IMAGE.double()).alpha, expected, atol=1e-5)
    strided = IMAGE.permute(2, 3, 0, 1).contiguous().permute(2, 3, 0, 1)
    assert torch.allclose(infer(model, strided).alpha, expected, atol=1e-5)
    assert infer(model, IMAGE.half()).alpha.dtype == torch.float32
    assert infer(model, IMAGE[..., :1, :1]).alpha.shape == (1, 1, 1, 1)


WRONG_PICTURES = {
    "a name": ("photo.jpg", "is a str"),
    "nothing": (None, "is a NoneType"),
    "objects": (BYTES.astype(object), "is object: pass uint8"),
    "long floats": (BYTES.astype(np.longdouble), "pass uint8"),
    "whole numbers": (BYTES.astype(int), "int64: pass uint8"),
    "complex": (BYTES.astype(complex), "complex128: pass uint8"),
    "NaN": (BYTES * np.nan, "from nan to nan"),
    "grey": (BYTES[..., 0], r"shape \(5, 4\): pass"),
    "empty": (BYTES[:0], r"shape \(0, 4, 3\): pass"),
    "no width": (Image.new("RGB", (0, 3)), r"shape \(3, 0\): pass"),
    "floats of Pillow": (Image.new("F", (3, 2)), "mode F"),
    "sparse": (IMAGE.to_sparse(), "pass a dense one"),
    "meta": (IMAGE.to("meta"), "pass a dense one"),
}


@pytest.mark.parametrize("name", WRONG_PICTURES)
def test_a_predictor_rejects_other_types(model, name):
    picture, words = WRONG_PICTURES[name]
    predictor = Predictor(model, Native())
    for call in (to_batch, predictor, predictor.cutout):
        with pytest.raises(GFMError, match=words) as caught:
            call(picture)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "mode",
    ["1", "L", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "LA", "La", "RGBa"],
)
def test_pictures_of_pillow_may_have_any_mode(mode):
    batch = to_batch(Image.new(mode, (3, 2)))
    assert (batch.shape, batch.dtype) == ((1, 3, 2, 3), torch.uint8)


def test_grey_of_16_bits_is_reduced_to_8():
    """Pillow's own conversion would turn everything white that is not nearly black."""
    deep = Image.fromarray(np.full((2, 3), 40_000, np.uint16))
    assert to_batch(deep).unique().tolist() == [round(40_000 / 257)]


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a[:, ::-1][:, ::-1],
        lambda a: np.asfortranarray(a),
        lambda a: a.astype(a.dtype.newbyteorder(">")),
        lambda a: np.broadcast_to(a, a.shape),
        lambda a: np.ma.masked_array(a),
    ],
)
def test_arrays_may_lie_in_memory_as_they_like(change):
    deep = np.arange(60, dtype=np.uint16).reshape(5, 4, 3) * 1000
    for array in (BYTES, deep, deep / 65535):
        assert torch.equal(to_batch(change(array)), to_batch(array))
    alpha, target = deep[..., 0] / 65535, deep[..., 1] / 65535
    trimap = np.full((5, 4), 128)
    assert matting_metrics(change(alpha), target, change(trimap)) == matting_metrics(
        alpha, target, trimap
    )


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (4, 1)])
def test_flipped_arrays_of_one_row_or_column(shape):
    """NumPy calls them contiguous, but torch refuses them because their strides are negative."""
    alpha = np.linspace(0, 1, 4)[: shape[0] * shape[1]].reshape(shape)
    flipped = alpha[::-1, ::-1]
    assert float(sad(flipped, flipped)) == 0
    picture = np.repeat(alpha[..., None], 3, axis=2).astype(np.uint8)
    assert to_batch(picture[::-1, ::-1]).shape == (1, 3, *shape)


@pytest.mark.parametrize(
    ("alpha", "words"),
    [
        (np.zeros((2, 2), object), "preds is an array of object"),
        (np.zeros((2, 2), "U3"), "preds is an array of <U3"),
        (torch.zeros(2, 2).to_sparse(), "preds is a sparse tensor"),
        (torch.zeros(2, 2, device="meta"), "preds .* has no data"),
        (torch.zeros(2, 2, dtype=torch.complex64), "preds is torch.complex64"),
    ],
)
def test_metrics_reject_invalid_alpha(alpha, words):
    with pytest.raises(TypeError, match=words):
        sad(alpha, np.zeros((2, 2)))


@pytest.mark.parametrize("loss", [alpha_loss, laplacian_loss])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a[:, 0], r"target has shape \(1, 40, 33\): expected \(N, 1"),
        (lambda a: a[..., :1], r"target has shape \(1, 1, 40, 1\)"),
        (lambda a: a.expand(2, 1, 40, 33), r"target has shape \(2, 1, 40, 33\)"),
        (lambda a: a.expand(1, 3, 40, 33), r"target has shape \(1, 3, 40, 33\)"),
    ],
)
def test_losses_do_not_broadcast(loss, change, words):
    with pytest.raises(ValueError, match=words):
        loss(ALPHA, change(ALPHA))
    with pytest.raises(ValueError, match=words.replace("target", "weight")):
        loss(ALPHA, ALPHA, change(ALPHA))


def test_losses_reject_empty_and_mismatched_tensors():
    with pytest.raises(ValueError, match=r"preds has shape .*not empty"):
        alpha_loss(ALPHA[:0], ALPHA[:0])
    with pytest.raises(ValueError, match=r"background has shape \(1, 1, 40, 33\)"):
        composition_loss(IMAGE, IMAGE, ALPHA, ALPHA)
    classes = torch.zeros(1, 1, 40, 33, dtype=torch.int64)
    with pytest.raises(TypeError, match=r"classes is torch\.float32"):
        glance_loss(IMAGE, classes.float())
    with pytest.raises(ValueError, match=r"logits has shape \(1, 3, 40, 32\)"):
        glance_loss(IMAGE[..., 1:], classes)


def test_the_criterion_names_missing_entries(model):
    with torch.no_grad():
        output = model(IMAGE)
    batch = {"image": IMAGE, "alpha": ALPHA, "trimap_25": torch.full_like(ALPHA, 128)}
    for key in ("alpha", "trimap_25"):
        less = {name: value for name, value in batch.items() if name != key}
        with pytest.raises(ValueError, match=f"the batch lacks {key}"):
            Criterion("tt")(output, less)
    whole = Criterion("tt")(output, batch)
    assert all(value.isfinite() for value in whole.values())
