"""Unstable parts of torch: a test fails if a release changes the functions in use."""

import pytest
import torch
import torchvision
from torch import nn
from torch.export import Dim, export

from gfm.compat.torch import cpu_capabilities, size_oblivious_export, skip_random_weights


class Half(nn.Module):
    """Drops every second column, and resizes to the original width."""

    def forward(self, image):
        return nn.functional.interpolate(image[..., ::2], image.shape[-2:], mode="bilinear")


def test_a_graph_takes_images_whose_features_are_one_pixel_wide():
    image, shapes = torch.rand(1, 3, 8, 8), {"image": {3: Dim("width", min=1)}}
    with pytest.raises(Exception, match="Constraints violated"):
        export(Half(), (image,), dynamic_shapes=shapes)
    with size_oblivious_export():
        graph = export(Half(), (image,), dynamic_shapes=shapes).module()
    for width in (1, 2, 9):
        narrow = torch.rand(1, 3, 8, width)
        torch.testing.assert_close(graph(narrow), Half()(narrow))


def test_instruction_sets_of_the_cpu():
    found = cpu_capabilities()
    if torch.__version__ < (2, 14) and not found:
        pytest.skip("older torch reports no instruction sets, which counts as no bfloat16")
    assert isinstance(found.get("architecture"), str)
    if found["architecture"] == "x86_64":
        assert isinstance(found["amx_bf16"], bool)
        assert isinstance(found["avx512_bf16"], bool)


@pytest.mark.parametrize("name", ["resnet34", "densenet121"])
def test_random_weights_are_skipped(name):
    state = torch.get_rng_state()
    with skip_random_weights():
        torchvision.models.get_model(name)
    assert torch.equal(torch.get_rng_state(), state)
    torchvision.models.get_model(name)
    assert not torch.equal(torch.get_rng_state(), state)
