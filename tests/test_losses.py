"""Loss terms against golden figures, their limits, and the criterion's minimum."""

import json

import numpy as np
import pytest
import torch

from gfm import losses
from gfm.data.trimap import trimap_from_alpha
from gfm.models.fusion import BranchOutput, MattingOutput, classify
from gfm.rosta import BT, FT, ROSTAS, TT, transition
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
        return losses.glance_loss(given[name].logit(), classes, on="probabilities")

    _check("glance_tt", on_probabilities("glance3", TT.glance_target(given["trimap"])))
    _check("glance_dilation", on_probabilities("glance2", (given["dilation"] > 0).long()))
    _check("glance_erosion", on_probabilities("glance2", (given["erosion"] > 0).long()))


def test_focus(given):
    weight = transition(given["trimap"])
    targets = {
        "": given["alpha"],
        "_ft": given["alpha"] - given["erosion"] / 255,
        "_bt": given["dilation"] / 255 - given["alpha"],
    }
    for suffix, target in targets.items():
        preds = given["focus"]
        _check(f"alpha_transition{suffix}", losses.alpha_loss(preds, target, weight))
        _check(f"laplacian_transition{suffix}", losses.laplacian_loss(preds, target, weight))


def test_fusion(given):
    preds, alpha = given["fusion"], given["alpha"]
    layers = (given[name] for name in ("image", "foreground", "background"))
    _check("alpha_whole", losses.alpha_loss(preds, alpha))
    _check("laplacian_whole", losses.laplacian_loss(preds, alpha))
    _check("composition_whole", losses.composition_loss(*layers, preds))


def test_two_class_targets_are_those_of_their_own_kernel():
    alpha = np.load(GOLDEN / "labels.npz")["alpha"]
    labels = np.load(GOLDEN / "labels.npz")
    trimap = torch.from_numpy(trimap_from_alpha(alpha, FT.kernel_size))
    assert torch.equal(FT.glance_target(trimap), torch.from_numpy(labels["erosion_50"] > 0).long())
    assert torch.equal(BT.glance_target(trimap), torch.from_numpy(labels["dilation_50"] > 0).long())


def _perfect(rosta_name: str, batch: dict) -> MattingOutput:
    """What a network would return that knows everything."""
    branches = {}
    for rosta in ROSTAS[rosta_name]:
        trimap = batch[f"trimap_{rosta.kernel_size}"]
        classes = rosta.glance_target(trimap)
        one_hot = torch.nn.functional.one_hot(classes[:, 0], rosta.num_classes)
        logits = (one_hot.permute(0, 3, 1, 2) - 0.5) * 100
        focus = rosta.focus_target(batch["alpha"], trimap)
        alpha = rosta.fuse(classes / (rosta.num_classes - 1), focus)
        branches[rosta.name] = BranchOutput(logits, focus, alpha)
    return MattingOutput(next(iter(branches.values())).alpha, branches)


def _batch(alpha: np.ndarray, seed: int = 0) -> dict:
    rng = np.random.default_rng(seed)
    target = torch.from_numpy(alpha)[None, None].float() / 255
    foreground, background = (
        torch.from_numpy(rng.random((1, 3, *alpha.shape), np.float32)) for _ in range(2)
    )
    batch = {"alpha": target, "foreground": foreground, "background": background}
    batch["image"] = target * foreground + (1 - target) * background
    for size in (25, 50):
        batch[f"trimap_{size}"] = torch.from_numpy(trimap_from_alpha(alpha, size))[None, None]
    return batch


def _soft_disc() -> np.ndarray:
    y, x = np.mgrid[:160, :160]
    return (np.clip((60 - np.hypot(y - 80, x - 80)) / 8, 0, 1) * 255).round().astype(np.uint8)


@pytest.mark.parametrize(
    ("part", "spoil"), [("glance", lambda x: x.flip(1)), ("focus", lambda x: x * 0.9)]
)
@pytest.mark.parametrize("rosta", ROSTAS)
def test_a_decoder_that_errs_costs(rosta, part, spoil):
    batch = _batch(_soft_disc())
    output = _perfect(rosta, batch)
    for name, branch in output.branches.items():
        wrong = branch._replace(**{part: spoil(getattr(branch, part))})
        worse = output._replace(branches={**output.branches, name: wrong})
        assert losses.Criterion(rosta)(worse, batch)["total"] > 1e-3


@pytest.mark.parametrize("rosta", ROSTAS)
def test_the_minimum_is_where_everything_is_right(rosta):
    batch = _batch(_soft_disc())
    criterion = losses.Criterion(rosta)
    best = criterion(_perfect(rosta, batch), batch)
    assert best["total"] < 1e-5
    output = _perfect(rosta, batch)
    worse = output._replace(alpha=(output.alpha + 0.02).clamp(0, 1))
    assert criterion(worse, batch)["total"] > best["total"] + 1e-3


@pytest.mark.parametrize("value", [0, 255])
@pytest.mark.parametrize("rosta", ROSTAS)
def test_a_crop_without_transition_is_finite(rosta, value):
    batch = _batch(np.full((64, 64), value, np.uint8))
    output = _perfect(rosta, batch)
    leaves = []
    for branch in ROSTAS[rosta]:
        glance, focus, _ = output.branches[branch.name]
        leaves += [glance.requires_grad_(), focus.requires_grad_()]
        alpha = branch.fuse(classify(glance), focus)
        output.branches[branch.name] = BranchOutput(glance, focus, alpha)
    terms = losses.Criterion(rosta)(output, batch)
    assert all(term.isfinite() for term in terms.values())
    assert terms["total"] < 0.01  # smoothed absolute values add 1e-6 per pixel
    gradients = torch.autograd.grad(terms["total"], leaves)
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_composition_needs_known_layers():
    batch = _batch(_soft_disc())
    output = _perfect("tt", batch)
    assert "composition" in losses.Criterion("tt")(output, batch)
    del batch["foreground"], batch["background"]
    assert "composition" not in losses.Criterion("tt")(output, batch)


def test_official_glance_loss_has_a_floor():
    batch = _batch(_soft_disc())
    terms = losses.Criterion("tt", glance_on="probabilities")(_perfect("tt", batch), batch)
    assert terms["glance"].item() == pytest.approx(np.log(1 + 2 / np.e), rel=1e-4)


def _random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


# Out of reach: absolute values have a corner where they are met.
_TARGET = 2 * _random(1, 1, 7, 9, seed=1) + 1
_WEIGHT = (_random(1, 1, 7, 9) > 0.5).double()
_COLOURS = [_random(1, 3, 7, 9) + shift for shift in (9, 0, 3)]
_CLASSES = (_random(1, 1, 7, 9) * 3).long()
TERMS = {
    "glance": lambda x: losses.glance_loss(x.expand(1, 3, 7, 9) * _COLOURS[1], _CLASSES),
    "glance on probabilities": lambda x: losses.glance_loss(
        x.expand(1, 3, 7, 9) * _COLOURS[1], _CLASSES, on="probabilities"
    ),
    "alpha": lambda x: losses.alpha_loss(x, _TARGET),
    "alpha in a region": lambda x: losses.alpha_loss(x, _TARGET, _WEIGHT),
    "laplacian": lambda x: losses.laplacian_loss(x, _TARGET),
    "laplacian in a region": lambda x: losses.laplacian_loss(x, _TARGET, _WEIGHT),
    "composition": lambda x: losses.composition_loss(*_COLOURS, x),
}


@pytest.mark.parametrize("name", TERMS)
def test_gradients(name, monkeypatch):
    """Against finite differences, in the float64 that they need and that terms do without."""
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    kernel = losses._gauss_kernel(torch.device("cpu"))
    monkeypatch.setattr(losses, "_gauss_kernel", lambda device: kernel.double())
    preds = _random(1, 1, 7, 9).double().requires_grad_()
    assert torch.autograd.gradcheck(TERMS[name], preds)


def test_gradient_where_the_prediction_is_right():
    """Finite also there, where the square root alone would have none."""
    alpha = _random(1, 1, 7, 9).requires_grad_()
    for term in (losses.alpha_loss, losses.laplacian_loss):
        (gradient,) = torch.autograd.grad(term(alpha, alpha.detach()), alpha)
        assert gradient.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_terms_compute_in_float32_under_autocast(dtype):
    """What a network hands over under autocast is rounded; nothing is rounded after that."""
    batch = _batch(_soft_disc())
    output = _perfect("rim", batch)
    low = [BranchOutput(*(part.to(dtype) for part in b)) for b in output.branches.values()]
    branches = dict(zip(output.branches, low, strict=True))
    rounded = {k: BranchOutput(*(part.float() for part in b)) for k, b in branches.items()}
    alpha = (output.alpha * 0.9).to(dtype)
    criterion = losses.Criterion("rim")
    expected = criterion(MattingOutput(alpha.float(), rounded), batch)
    with torch.autocast("cpu", torch.bfloat16):
        terms = criterion(MattingOutput(alpha, branches), batch)
    for name, term in terms.items():
        assert term.dtype == torch.float32, name
        torch.testing.assert_close(term, expected[name], rtol=1e-6, atol=1e-7)


def test_autocast_does_not_reach_the_terms(given):
    with torch.autocast("cpu", torch.bfloat16):
        value = losses.laplacian_loss(given["fusion"], given["alpha"])
    assert value.dtype == torch.float32
    _check("laplacian_whole", value)
