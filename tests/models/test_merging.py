"""Batch normalisation that was merged into convolutions changes no output."""

import copy

import pytest
import torch
from torch import nn

from gfm.compat.hydra import instantiate
from gfm.models.batchnorm_folding import fold_batchnorm
from tests.benchmarks.networks import model_node


@pytest.mark.parametrize(("backbone", "is_all"), [("r34", True), ("r34_2b", True), ("d121", False)])
def test_merged_norms_change_nothing(backbone, is_all):
    node = model_node(backbone) | {"decoder_scale": 0.1}
    model = instantiate(node).double().eval()
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        for values in (norm.running_mean, norm.weight.data, norm.bias.data):
            values.normal_(std=0.3)
        norm.running_var.uniform_(0.5, 2)
    merged = copy.deepcopy(model)
    fold_batchnorm(merged)
    left = [module for module in merged.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(left) < len(norms)
    assert not left or not is_all
    image = torch.rand(1, 3, 64, 96, dtype=torch.float64)
    with torch.inference_mode():
        for run in ("run_glance", "run_focus"):
            for expected, found in zip(
                getattr(model, run)(image), getattr(merged, run)(image), strict=True
            ):
                assert expected.std() > 1e-3
                torch.testing.assert_close(expected, found, rtol=1e-9, atol=1e-9)
