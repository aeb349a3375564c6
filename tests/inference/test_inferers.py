"""Inferers against golden figures of the official code."""

import numpy as np
import pytest
import torch

from gfm.errors import GFMError
from gfm.inference import Branch, Hybrid, Resize
from tests.golden.formula import GOLDEN
from tests.models.test_gfm import official_model

INFERENCE = np.load(GOLDEN / "inference.npz")
INFERERS = {"HYBRID": Hybrid(), "RESIZE": Resize(0.5), "RIM": Resize(1 / 3)}


def _close(actual: torch.Tensor, name: str, tolerance: float = 2e-3) -> None:
    difference = np.abs(actual[0, 0, ::8, ::8].numpy() - INFERENCE[name].astype(np.float32))
    assert difference.mean() < tolerance


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    return torch.from_numpy(INFERENCE["image"]).permute(2, 0, 1)[None] / 255


@pytest.mark.parametrize("rosta", ["TT", "FT", "BT"])
def test_official_inference(rosta, image):
    model = official_model(f"r34_{rosta}")
    for name in ("HYBRID", "RESIZE"):
        with torch.inference_mode():
            prediction = INFERERS[name](model, image)
        _close(prediction.alpha, f"{rosta}_{name}/fusion")
        _close(prediction.focus, f"{rosta}_{name}/focus")
        # Official glance is 0, 128, 255 of 255; ours has the middle at exactly 0.5.
        _close(prediction.glance * 255, f"{rosta}_{name}/glance", tolerance=0.51)


def test_official_rim(image):
    with torch.inference_mode():
        prediction = INFERERS["RIM"](official_model("r34_RIM"), image)
    _close(prediction.alpha, "RIM_RIM/fusion")
    for rosta in ("tt", "ft", "bt"):
        _close(prediction.alphas[rosta], f"RIM_RIM/{rosta}")


def test_a_branch_of_rim(image):
    model, photo = official_model("r34_RIM"), image[..., :96, :96]
    with torch.inference_mode():
        whole = INFERERS["RIM"](model, photo)
        for rosta, alpha in whole.alphas.items():
            assert torch.equal(Branch(rosta, 1 / 3)(model, photo).alpha, alpha)
        assert not torch.equal(whole.alpha, whole.alphas["tt"])
        with pytest.raises(GFMError, match=r"inference.rosta=ft: the network has only tt"):
            Branch("ft")(official_model("r34_TT"), photo)
