"""The terms of the loss compared with golden figures and finite differences."""

import json

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from gfm.data.trimap import trimap_from_alpha
from gfm.losses import Criterion, terms
from gfm.models.networks import gfm_r34
from gfm.rosta import BT, FT, TT, transition_mask
from tests.golden.formula import GOLDEN

REFERENCE = json.loads((GOLDEN / "losses.json").read_text())


@pytest.fixture(scope="module")
def given():
    arrays = np.load(GOLDEN / "losses.npz")
    tensors = {name: torch.from_numpy(arrays[name]).float() for name in arrays}
    for name in ("image", "foreground", "background", "alpha"):
        tensors[name] /= 255
    return tensors


def _check(name, value):
    assert value.item() == pytest.approx(REFERENCE[name], rel=1e-5)


def test_glance(given):
    def on_probabilities(name, classes):
        return terms.glance_loss(given[name].logit(), classes, on="probabilities")

    _check("glance_tt", on_probabilities("glance3", TT.glance_target(given["trimap"])))
    _check("glance_dilation", on_probabilities("glance2", (given["dilation"] > 0).long()))
    _check("glance_erosion", on_probabilities("glance2", (given["erosion"] > 0).long()))


def test_focus(given):
    weight = transition_mask(given["trimap"])
    targets = {
        "": given["alpha"],
        "_ft": given["alpha"] - given["erosion"] / 255,
        "_bt": given["dilation"] / 255 - given["alpha"],
    }
    for suffix, target in targets.items():
        preds = given["focus"]
        _check(f"alpha_transition{suffix}", terms.alpha_loss(preds, target, weight))
        _check(f"laplacian_transition{suffix}", terms.laplacian_loss(preds, target, weight))


def test_fusion(given):
    preds, alpha = given["fusion"], given["alpha"]
    layers = (given[name] for name in ("image", "foreground", "background"))
    _check("alpha_whole", terms.alpha_loss(preds, alpha))
    _check("laplacian_whole", terms.laplacian_loss(preds, alpha))
    _check("composition_whole", terms.composition_loss(*layers, preds))


def test_two_class_targets_use_their_kernel():
    alpha = np.load(GOLDEN / "labels.npz")["alpha"]
    labels = np.load(GOLDEN / "labels.npz")
    trimap = torch.from_numpy(trimap_from_alpha(alpha, FT.kernel_size))
    assert torch.equal(FT.glance_target(trimap), torch.from_numpy(labels["erosion_50"] > 0).long())
    assert torch.equal(BT.glance_target(trimap), torch.from_numpy(labels["dilation_50"] > 0).long())


def _random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


# Predictions never reach these targets, where an absolute value has no derivative.
_TARGET = 2 * _random(1, 1, 7, 9, seed=1) + 1
_WEIGHT = (_random(1, 1, 7, 9) > 0.5).double()
_COLOURS = [_random(1, 3, 7, 9) + shift for shift in (9, 0, 3)]
_CLASSES = (_random(1, 1, 7, 9) * 3).long()
_TERMS = {
    "glance": lambda x: terms.glance_loss(x.expand(1, 3, 7, 9) * _COLOURS[1], _CLASSES),
    "glance on probabilities": lambda x: terms.glance_loss(
        x.expand(1, 3, 7, 9) * _COLOURS[1], _CLASSES, on="probabilities"
    ),
    "alpha": lambda x: terms.alpha_loss(x, _TARGET),
    "alpha in a region": lambda x: terms.alpha_loss(x, _TARGET, _WEIGHT),
    "laplacian": lambda x: terms.laplacian_loss(x, _TARGET),
    "laplacian in a region": lambda x: terms.laplacian_loss(x, _TARGET, _WEIGHT),
    "composition": lambda x: terms.composition_loss(*_COLOURS, x),
}


@pytest.mark.parametrize("name", _TERMS)
def test_gradients(name, monkeypatch):
    """Gradients equal finite differences, which need float64 instead of float32."""
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    kernel = terms._gauss_kernel(torch.device("cpu"))
    monkeypatch.setattr(terms, "_gauss_kernel", lambda device: kernel.double())
    preds = _random(1, 1, 7, 9).double().requires_grad_()
    assert torch.autograd.gradcheck(_TERMS[name], preds)


def test_gradient_where_the_prediction_is_right():
    """The gradient is finite where that of a plain square root would not be."""
    alpha = _random(1, 1, 7, 9).requires_grad_()
    for term in (terms.alpha_loss, terms.laplacian_loss):
        (gradient,) = torch.autograd.grad(term(alpha, alpha.detach()), alpha)
        assert gradient.isfinite().all()


def test_autocast_does_not_reach_the_terms(given):
    with torch.autocast("cpu", torch.bfloat16):
        value = terms.laplacian_loss(given["fusion"], given["alpha"])
    assert value.dtype == torch.float32
    _check("laplacian_whole", value)


def _round_to_tf32(values: torch.Tensor) -> torch.Tensor:
    """Round float32 to the 10-bit mantissa of TF32."""
    return ((values.view(torch.int32) + 0x1000) & ~0x1FFF).view(torch.float32)


class _TF32Convolution(torch.autograd.Function):
    """The convolution that cuDNN computes for float32 on GPUs since Ampere."""

    @staticmethod
    def forward(ctx, image, kernel, groups):
        ctx.save_for_backward(image, kernel)
        ctx.groups = groups
        return torch.conv2d(_round_to_tf32(image), _round_to_tf32(kernel), groups=groups)

    @staticmethod
    def backward(ctx, grad):
        image, kernel = ctx.saved_tensors
        rounded = _round_to_tf32(kernel), _round_to_tf32(grad.contiguous())
        return torch.nn.grad.conv2d_input(image.shape, *rounded, groups=ctx.groups), None, None


def _convolve_in_tf32(image, kernel, groups):
    return _TF32Convolution.apply(image, kernel, groups)


@pytest.mark.parametrize("in_region", [False, True])
@pytest.mark.parametrize("noise", [0.005, 0.001])
def test_tensor_cores_hardly_turn_the_gradient(given, monkeypatch, noise, in_region):
    """Rounded to TF32, the gradient keeps its direction even where predictions are almost right."""
    alpha = given["alpha"]
    preds = alpha + noise * torch.randn(alpha.shape, generator=torch.Generator().manual_seed(0))
    preds = preds.clamp(0, 1).requires_grad_()
    weight = transition_mask(given["trimap"]) if in_region else None
    gradients = []
    for convolution in (torch.conv2d, _convolve_in_tf32):
        monkeypatch.setattr(terms.F, "conv2d", convolution)
        loss = terms.laplacian_loss(preds, alpha, weight)
        gradients += [grad.flatten() for grad in torch.autograd.grad(loss, preds)]
    assert not torch.equal(*gradients)
    assert torch.cosine_similarity(*gradients, dim=0) >= 0.9994


# Kernels that torch.use_deterministic_algorithms(True) refuses on CUDA and that could be used here.
# F.interpolate and F.pad avoid theirs on CUDA, so those kernels run only on CPUs.
NONDETERMINISTIC = {
    "nll_loss2d_forward",
    "_adaptive_avg_pool2d_backward",
    "adaptive_max_pool2d_backward",
    "grid_sampler_2d_backward",
    "reflection_pad2d_backward",
    "median",
    "histc",
}


class RefuseNondeterministic(TorchDispatchMode):
    """Raises where ``trainer.deterministic=true`` would on a GPU."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        assert name not in NONDETERMINISTIC, name
        return func(*args, **kwargs or {})


@pytest.mark.parametrize("rosta", ["tt", "rim"])
def test_a_step_has_a_deterministic_kernel_for_everything_on_gpus(rosta, request):
    request.addfinalizer(lambda: torch.use_deterministic_algorithms(False))
    torch.use_deterministic_algorithms(True)
    batch = {name: _random(2, 3, 64, 64) for name in ("image", "foreground", "background")}
    batch["alpha"] = _random(2, 1, 64, 64)
    batch |= {f"trimap_{size}": (batch["alpha"] * 3).floor() for size in (25, 50)}
    model = gfm_r34(rosta, decoder_channels=[8] * 5)
    with RefuseNondeterministic():
        Criterion(rosta)(model(batch["image"]), batch)["total"].backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
