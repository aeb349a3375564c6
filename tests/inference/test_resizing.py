"""Resizing compared with scikit-image, and under TF32, which rounds factors on GPUs to 10 bits."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from skimage.transform import resize as skimage_resize
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from gfm.inference import Hybrid, Resize
from gfm.inference.resizing import resize, scaled_size
from gfm.metrics import MattingMetrics
from tests.models.test_gfm import official_model

PRODUCTS = ("mm", "bmm", "addmm", "baddbmm", "matmul", "linear", "convolution", "conv2d", "einsum")


class Tf32(TorchDispatchMode):
    """Rounds factors to 10 bits of mantissa, as ``float32_matmul_precision=high`` does."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name in PRODUCTS:
            self.calls.append(name)
            args = [self.rounded(a) if isinstance(a, torch.Tensor) else a for a in args]
        return func(*args, **(kwargs or {}))

    @staticmethod
    def rounded(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.dtype != torch.float32:
            return tensor
        bits = tensor.view(torch.int32)
        return ((bits + 0x1000) & ~0x1FFF).view(torch.float32)


def resize_by_matrix(image: torch.Tensor, height: int) -> torch.Tensor:
    """Resize columns by multiplying with the matrix that ``resize`` makes from the identity."""
    basis = torch.eye(image.shape[-2])[None, None]
    matrix = resize(basis, (height, image.shape[-2]))[0, 0]
    return matrix @ image


def test_equal_pixels_stay_equal():
    certain = torch.ones(1, 1, 37, 53)
    with Tf32():
        off = (resize_by_matrix(certain, 111) - 1).abs().max()
        assert 1e-4 < off < 2e-3  # the emulation works: fusion would see transition here
        for size in [(111, 160), (20, 16), (37, 53), (13, 90)]:
            torch.testing.assert_close(resize(certain, size), torch.ones(1, 1, *size))
            assert resize(certain, size).max() <= 1  # as metrics require
            assert not resize(torch.zeros_like(certain), size).any()


@pytest.mark.parametrize(
    ("before", "after"),
    [((37, 53), (20, 16)), ((50, 70), (33, 90)), ((7, 5), (30, 2)), ((96, 96), (32, 32))],
)
def test_equals_scikit_image(before, after):
    """This takes no product that TF32 would round."""
    array = np.random.default_rng(0).random(before, np.float32)
    with Tf32() as mode:
        ours = resize(torch.from_numpy(array)[None, None], after)[0, 0].numpy()
    assert mode.calls == []
    official = skimage_resize(array.astype(np.float64), after)
    np.testing.assert_allclose(ours, official, rtol=0, atol=1e-6)


def test_weights_are_computed_once(monkeypatch):
    """They also serve calls with gradients after one in inference mode."""
    image = torch.rand(1, 3, 38, 54)
    with torch.inference_mode():
        first = resize(image, (20, 16))
    monkeypatch.setattr(torch, "arange", None)
    again = resize(image.requires_grad_(), (20, 16))
    assert torch.equal(again, first)
    again.sum().backward()


def test_fake_tensors_are_not_kept():
    """As in a program that estimates memory before it mattes photos."""
    with FakeTensorMode():
        assert resize(torch.rand(1, 3, 41, 43), (20, 22)).shape == (1, 3, 20, 22)
    assert type(resize(torch.rand(1, 3, 41, 43), (20, 22))) is torch.Tensor
    with FakeTensorMode():
        assert resize(torch.rand(1, 3, 41, 43), (20, 22)).shape == (1, 3, 20, 22)


def test_sides_are_limited_multiples_of_32():
    assert scaled_size(1080, 1620, 0.5, 1600) == (512, 800)
    assert scaled_size(4000, 9000, 0.5, 1600) == (1600, 1600)
    assert scaled_size(20, 70, 0.5, 1600) == (32, 32)


@pytest.fixture(scope="module")
def model():
    return official_model("r34_TT")


@pytest.mark.parametrize("inferer", [Hybrid(), Resize()], ids=lambda each: type(each).__name__)
def test_certain_pixels_stay_certain(inferer, model, monkeypatch):
    """The network predicts foreground on the left and background on the right."""
    logits = torch.zeros(1, 3, 1, 2)
    logits[0, 2, 0, 0] = logits[0, 0, 0, 1] = 9

    def halves(features):
        size = [side * model.encoder.strides[0] for side in features[0].shape[-2:]]
        return [F.interpolate(logits, size)]

    monkeypatch.setattr(model.glance, "forward", halves)
    with torch.inference_mode(), Tf32() as mode:
        prediction = inferer(model, torch.rand(1, 3, 288, 288))
    assert mode.calls  # of the network
    alpha = prediction.alpha
    assert (alpha[..., :120] == 1).all()
    assert (alpha[..., -120:] == 0).all()
    target = (alpha > 0.5).float()
    MattingMetrics("gfm")(alpha, target, (target * 255).to(torch.uint8))
