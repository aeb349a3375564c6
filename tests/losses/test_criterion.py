"""The minimum of the criterion, its limits, and its precision under autocast."""

from unittest import mock

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gfm.data.trimap import trimap_from_alpha
from gfm.errors import GFMError
from gfm.losses import Criterion, WeightedTerm, laplacian_loss
from gfm.models.fusion import BranchOutput, MattingOutput, classify
from gfm.rosta import ROSTAS


def _perfect(rosta_name: str, batch: dict) -> MattingOutput:
    """Return the output of a perfect network."""
    branches = {}
    for rosta in ROSTAS[rosta_name]:
        trimap = batch[f"trimap_{rosta.kernel_size}"]
        classes = rosta.glance_target(trimap)
        one_hot = F.one_hot(classes[:, 0], rosta.num_classes)
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
def test_errors_of_a_decoder_raise_the_loss(rosta, part, spoil):
    batch = _batch(_soft_disc())
    output = _perfect(rosta, batch)
    for name, branch in output.branches.items():
        wrong = branch._replace(**{part: spoil(getattr(branch, part))})
        worse = output._replace(branches={**output.branches, name: wrong})
        assert Criterion(rosta)(worse, batch)["total"] > 1e-3


@pytest.mark.parametrize("rosta", ROSTAS)
def test_the_minimum_is_at_the_perfect_output(rosta):
    batch = _batch(_soft_disc())
    criterion = Criterion(rosta)
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
    terms = Criterion(rosta)(output, batch)
    assert all(term.isfinite() for term in terms.values())
    assert terms["total"] < 0.01  # smoothed absolute values add 1e-6 per pixel
    gradients = torch.autograd.grad(terms["total"], leaves)
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("rosta", ROSTAS)
def test_one_pyramid_serves_all_laplacian_terms(rosta):
    """Operations are counted, because launching one takes a GPU longer than running it."""
    batch = _batch(_soft_disc())
    output = _perfect(rosta, batch)
    with mock.patch.object(F, "conv2d", wraps=F.conv2d) as convolve:
        terms = Criterion(rosta)(output._replace(alpha=output.alpha * 0.9), batch)
    assert convolve.call_count == 5  # levels of a pyramid
    expected = laplacian_loss(output.alpha * 0.9, batch["alpha"])
    torch.testing.assert_close(terms["fusion_laplacian"], expected, rtol=1e-6, atol=0)


def test_composition_needs_known_layers():
    batch = _batch(_soft_disc())
    output = _perfect("tt", batch)
    assert "composition" in Criterion("tt")(output, batch)
    del batch["foreground"], batch["background"]
    assert "composition" not in Criterion("tt")(output, batch)


@pytest.mark.parametrize("missing", ["image", "background"])
def test_a_foreground_needs_the_other_layers(missing):
    batch = _batch(_soft_disc())
    output = _perfect("tt", batch)
    del batch[missing]
    with pytest.raises(ValueError, match=f"the batch lacks {missing}"):
        Criterion("tt")(output, batch)


def test_the_output_of_a_network_of_another_rosta():
    batch = _batch(_soft_disc())
    message = "RoSTA needs the branches tt, ft, bt, but the network has tt"
    with pytest.raises(ValueError, match=message):
        Criterion("rim")(_perfect("tt", batch), batch)


def test_an_unknown_rosta():
    with pytest.raises(GFMError, match="unknown RoSTA 'TT': choose one of tt, ft, bt, rim"):
        Criterion("TT")


@pytest.mark.parametrize(("rosta", "name"), [("tt", "total"), ("rim", "glance_ft")])
def test_an_additional_term_must_not_replace_another(rosta, name):
    with pytest.raises(GFMError, match=rf"loss\.extra\.{name}: a term of this name exists"):
        Criterion(rosta, extra={name: WeightedTerm(lambda *_: torch.zeros(()))})


def test_official_glance_loss_has_a_floor():
    batch = _batch(_soft_disc())
    terms = Criterion("tt", glance_on="probabilities")(_perfect("tt", batch), batch)
    assert terms["glance"].item() == pytest.approx(np.log(1 + 2 / np.e), rel=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_terms_compute_in_float32_under_autocast(dtype):
    """Under autocast the output of a network is rounded, but the terms are not."""
    batch = _batch(_soft_disc())
    output = _perfect("rim", batch)
    low = [BranchOutput(*(part.to(dtype) for part in b)) for b in output.branches.values()]
    branches = dict(zip(output.branches, low, strict=True))
    rounded = {k: BranchOutput(*(part.float() for part in b)) for k, b in branches.items()}
    alpha = (output.alpha * 0.9).to(dtype)
    criterion = Criterion("rim")
    expected = criterion(MattingOutput(alpha.float(), rounded), batch)
    with torch.autocast("cpu", torch.bfloat16):
        terms = criterion(MattingOutput(alpha, branches), batch)
    for name, term in terms.items():
        assert term.dtype == torch.float32, name
        torch.testing.assert_close(term, expected[name], rtol=1e-6, atol=1e-7)
