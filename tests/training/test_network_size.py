"""The size of a network that is printed at the start of a run."""

import pytest
import torch
from torch import nn

from gfm.compat.hydra import instantiate
from gfm.models.gfm import GFM
from gfm.training.callbacks.network_size import describe_size, multiply_adds
from tests.conftest import SMALL_NODE


def count_with_hooks(model: nn.Module, side: int) -> int:
    """Count by the sizes of what the convolutions return."""
    counts = []

    def add(module, _, output):
        weights = module.weight[0].numel()  # of one output value
        counts.append(output.numel() * weights)

    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(add) for layer in layers]
    with torch.no_grad():
        model.eval()(torch.rand(1, 3, side, side))
    for hook in hooks:
        hook.remove()
    return sum(counts)


@pytest.mark.parametrize("side", [64, 96])
def test_multiply_adds_are_those_of_the_layers(side):
    model = instantiate(SMALL_NODE)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert multiply_adds(model, side) == count_with_hooks(model, side) > 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_small_inputs_and_compiled_networks_are_counted():
    """In training mode, batch norms refuse a single value; compiling would take seconds."""
    model = instantiate(SMALL_NODE).train()
    expected = multiply_adds(model, 32)
    assert expected
    model.compile(backend=lambda *_: pytest.fail("compiled"))
    assert multiply_adds(model, 32) == expected


def test_a_network_that_needs_values_has_no_count():
    class Gated(nn.Conv2d):
        def forward(self, x):
            return super().forward(x) if x.mean() > 0 else x

    assert multiply_adds(Gated(3, 3, 1), 8) is None
    assert describe_size(nn.Sequential(Gated(3, 3, 1)), 8) == "12 parameters (0 12)"


def test_the_description_names_parts_and_frozen_parameters():
    model: GFM = instantiate(SMALL_NODE)
    text = describe_size(model, 64)
    total = sum(p.numel() for p in model.parameters()) / 1e6
    assert text.startswith(f"{total:.1f} M parameters (encoder ")
    assert "frozen" not in text
    assert text.endswith(" G multiply-adds per 64×64 input")
    model.encoder.requires_grad_(requires_grad=False)
    encoder = sum(p.numel() for p in model.encoder.parameters()) / 1e6
    assert f"), {encoder:.1f} M of them frozen; " in describe_size(model, 64)
