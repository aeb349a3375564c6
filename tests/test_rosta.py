"""Perfect glance and focus fuse to alpha, for each RoSTA."""

import pickle

import numpy as np
import pytest
import torch

from gfm.data.trimap import trimap_from_alpha
from gfm.rosta import ROSTAS, transition_mask


@pytest.fixture(scope="module")
def alpha() -> np.ndarray:
    """A soft disc with a hole: certain foreground, certain background and everything between."""
    y, x = np.mgrid[:200, :240]
    distance = np.hypot(y - 100, x - 110)
    soft = np.clip((80 - distance) / 12, 0, 1) * np.clip((distance - 4) / 3, 0, 1)
    return np.round(soft * 255).astype(np.uint8)


@pytest.mark.parametrize("rosta", ROSTAS["rim"], ids=lambda rosta: rosta.name)
def test_perfect_decoders_fuse_to_alpha(rosta, alpha):
    trimap = torch.from_numpy(trimap_from_alpha(alpha, rosta.kernel_size))[None, None]
    target = torch.from_numpy(alpha)[None, None].double() / 255
    glance = rosta.glance_target(trimap) / (rosta.num_classes - 1)
    focus = rosta.focus_target(target, trimap)

    assert set(np.unique(trimap)) == {0, 128, 255}
    assert rosta.glance_target(trimap).unique().tolist() == list(range(rosta.num_classes))
    torch.testing.assert_close(rosta.fuse(glance.double(), focus), target, rtol=0, atol=1e-12)


@pytest.mark.parametrize("rosta", ROSTAS["rim"], ids=lambda rosta: rosta.name)
def test_focus_matters_only_in_its_transition(rosta, alpha):
    """Outside, the focus loss is masked, and FT and BT have nothing to regress."""
    trimap = torch.from_numpy(trimap_from_alpha(alpha, rosta.kernel_size))[None, None]
    target = torch.from_numpy(alpha)[None, None].double() / 255
    outside = transition_mask(trimap) == 0
    focus = rosta.focus_target(target, trimap)
    if rosta.name != "tt":
        assert focus[outside].abs().max() == 0
    noise = torch.where(outside, torch.rand(focus.shape).double(), focus)
    if rosta.name == "tt":
        glance = (rosta.glance_target(trimap) / 2).double()
        torch.testing.assert_close(rosta.fuse(glance, noise), target, rtol=0, atol=1e-12)


def test_tt_follows_focus_wherever_an_enlarged_glance_is_in_between():
    glance = torch.tensor([0.0, 1e-6, 0.1, 0.5, 0.9, 1 - 1e-6, 1.0])
    fused = ROSTAS["tt"][0].fuse(glance, torch.full_like(glance, 0.3))
    torch.testing.assert_close(fused, torch.tensor([0.0, 0.0, 0.3, 0.3, 0.3, 1.0, 1.0]))


def test_rostas_can_be_pickled():
    for branches in ROSTAS.values():
        assert pickle.loads(pickle.dumps(branches)) == branches
