"""Batch normalisation is found in any network, and folding it changes no output."""

import copy

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import nn

from gfm.compat.hydra import instantiate
from gfm.models.batchnorm import find_batchnorms, fold_batchnorm
from tests.benchmarks.networks import model_node


def test_layers_of_torch_and_timm_are_found_and_no_others():
    norms = [nn.BatchNorm1d(2), nn.BatchNorm2d(2), nn.BatchNorm3d(2), nn.SyncBatchNorm(2)]
    norms.append(BatchNormAct2d(2))
    others = [nn.InstanceNorm2d(2, affine=True, track_running_stats=True), nn.GroupNorm(1, 2)]
    assert find_batchnorms(nn.Sequential(*others, nn.Sequential(*norms), nn.ReLU())) == norms


@pytest.mark.parametrize(("backbone", "is_all"), [("r34_2b", True), ("d121", False)])
def test_folding_changes_no_output(backbone, is_all):
    node = model_node(backbone) | {"decoder_scale": 0.1}
    model = instantiate(node).double().eval()
    norms = find_batchnorms(model)
    for norm in norms:
        for values in (norm.running_mean, norm.weight.data, norm.bias.data):
            values.normal_(std=0.3)
        norm.running_var.uniform_(0.5, 2)
    folded = copy.deepcopy(model)
    fold_batchnorm(folded)
    left = find_batchnorms(folded)
    assert len(left) < len(norms)
    assert not left or not is_all
    image = torch.rand(1, 3, 64, 96, dtype=torch.float64)
    with torch.inference_mode():
        for run in ("run_glance", "run_focus"):
            for expected, found in zip(
                getattr(model, run)(image), getattr(folded, run)(image), strict=True
            ):
                assert expected.std() > 1e-3
                torch.testing.assert_close(expected, found, rtol=1e-9, atol=1e-9)


class _Skip(nn.Sequential):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self[0](x)
        return x + self[1](x)


_ACTIVATION = nn.ReLU()
_CONVOLUTION = nn.Conv2d(3, 3, 3)


@pytest.mark.parametrize(
    "block",
    [
        _Skip(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3)),
        nn.Sequential(_ACTIVATION, nn.Conv2d(3, 3, 3), _ACTIVATION, nn.BatchNorm2d(3)),
        nn.Sequential(_CONVOLUTION, nn.BatchNorm2d(3), _CONVOLUTION, nn.BatchNorm2d(3)),
        nn.Sequential(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3, track_running_stats=False)),
        nn.Sequential(nn.utils.spectral_norm(nn.Conv2d(3, 3, 3)), nn.BatchNorm2d(3)),
    ],
)
def test_folding_changes_no_output_of_unusual_blocks(block):
    """As they may occur in encoders of users."""
    for norm in find_batchnorms(block.eval()):
        norm.bias.data.normal_()
    image = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        expected = block(image)
        fold_batchnorm(block)
        torch.testing.assert_close(block(image), expected)
