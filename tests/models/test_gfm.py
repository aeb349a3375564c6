"""The sixteen official architectures, and general properties of the network."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from gfm.checkpoints.released import convert_official
from gfm.compat.hydra import instantiate
from gfm.errors import GFMError
from gfm.models.encoders import StagedEncoder
from gfm.models.gfm import GFM
from gfm.rosta import ROSTAS
from tests.conftest import SMALL_NODE
from tests.golden.formula import GOLDEN, formula_state_dict, official_keys

FORWARD = np.load(GOLDEN / "forward.npz")
TOLERANCE = 1e-4


def official_model(name: str) -> GFM:
    # The file's name distinguishes FT from BT.
    node, state = convert_official(formula_state_dict(name), f"gfm_{name.lower()}.pth")
    with pytest.MonkeyPatch.context() as patch:  # random weights are slow, and would be replaced
        for init in ("kaiming_normal_", "kaiming_uniform_", "uniform_", "normal_"):
            patch.setattr(torch.nn.init, init, lambda tensor, *args, **kwargs: tensor)
        model: GFM = instantiate(node)
    model.load_state_dict(state)
    return model.eval()


def _close(actual: torch.Tensor, name: str) -> None:
    sampled = actual[0, :, ::3, ::3].numpy()
    np.testing.assert_allclose(sampled, FORWARD[name], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(
    "name",
    [
        # r101 has half a billion weights.
        pytest.param(name, marks=pytest.mark.slow) if name.startswith("r101") else name
        for name in sorted(official_keys())
    ],
)
def test_official_outputs(name):
    model = official_model(name)
    image = torch.from_numpy(FORWARD["image"]).permute(2, 0, 1)[None] / 255
    with torch.inference_mode():
        output = model(image)
    _close(output.alpha, f"{name}/fusion")
    for rosta, branch in output.branches.items():
        prefix = f"{name}/{rosta}_" if name.endswith("RIM") else f"{name}/"
        _close(branch.glance.sigmoid(), f"{prefix}glance")
        _close(branch.focus, f"{prefix}focus")
        _close(branch.alpha, f"{prefix}fusion")


@pytest.fixture(scope="module")
def small() -> GFM:
    torch.manual_seed(0)
    return instantiate(
        {
            "_target_": "gfm.models.gfm.GFM",
            "encoder": {"_target_": "gfm.models.encoders.resnet34"},
            "rosta": "rim",
            "decoder_channels": [16] * 5,
        }
    )


@pytest.mark.parametrize("size", [(33, 47), (1, 1), (64, 64), (70, 129)])
@pytest.mark.parametrize("training", [True, False])
def test_any_size(small, size, training):
    small.train(training)
    with torch.no_grad():
        output = small(torch.rand(2, 3, *size))
    assert output.alpha.shape == (2, 1, *size)
    for rosta in ROSTAS["rim"]:
        branch = output.branches[rosta.name]
        assert branch.glance.shape == (2, rosta.num_classes, *size)
        assert branch.focus.shape == branch.alpha.shape == (2, 1, *size)
        assert branch.alpha.min() >= 0
        assert branch.alpha.max() <= 1


@pytest.mark.parametrize("rosta", ROSTAS)
def test_every_parameter_is_used(rosta):
    """Otherwise plain DDP stops at the second step."""
    torch.manual_seed(0)
    encoder = {"_target_": "gfm.models.encoders.resnet34_2b"}
    node = {"_target_": "gfm.models.gfm.GFM", "encoder": encoder, "decoder_channels": [16] * 6}
    model = instantiate(
        node | {"rosta": rosta} if rosta == "rim" else SMALL_NODE | {"rosta": rosta}
    )
    output = model(torch.rand(2, 3, 64, 64))
    branches = output.branches.values()
    total = sum(b.glance.square().mean() + b.focus.mean() + b.alpha.mean() for b in branches)
    (total + output.alpha.mean()).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None] == []


def test_a_whole_network_can_be_saved(tmp_path):
    """Not only its weights; ``torch.save`` uses an older protocol of pickle."""
    model = instantiate({**SMALL_NODE, "rosta": "rim"}).eval()
    model.use_channels_last()
    torch.save(model, tmp_path / "network.pt")
    loaded = torch.load(tmp_path / "network.pt", weights_only=False)
    image = torch.rand(1, 3, 40, 72)
    with torch.no_grad():
        assert torch.equal(loaded(image).alpha, model(image).alpha)


def test_one_decoder_at_a_time_gives_the_same(small):
    small.eval()
    image = torch.rand(1, 3, 40, 72)
    with torch.no_grad():
        output, glances, focuses = small(image), small.run_glance(image), small.run_focus(image)
    for branch, glance, focus in zip(output.branches.values(), glances, focuses, strict=True):
        torch.testing.assert_close(branch.glance, glance)
        torch.testing.assert_close(branch.focus, focus.sigmoid())


@pytest.mark.parametrize("strides", [(1, 2), (2, 4, 8), (4, 8), (4, 16), (2, 14)])
def test_custom_backbones(strides):
    """The recipe of docs/models.md: a sequence of stages; the finest stride is 1, 2 or 4."""
    channels = [4 * (i + 1) for i in range(len(strides))]
    factors = [strides[0], *(b // a for a, b in pairwise(strides))]
    stages = [
        nn.Conv2d(narrow, wide, factor, stride=factor)
        for narrow, wide, factor in zip([3, *channels], channels, factors, strict=False)
    ]
    model = GFM(StagedEncoder(stages, channels, strides), "rim")
    output = model(torch.rand(2, 3, 33, 47))
    assert output.alpha.shape == (2, 1, 33, 47)
    assert model.focus.bridge[0].in_channels == channels[-1]
    assert model.focus.stages[0][0].out_channels == channels[-1]


def test_an_unknown_normalization():
    message = "unknown normalization 'ImageNet': choose one of none, imagenet"
    encoder = StagedEncoder([nn.Conv2d(3, 4, 2, stride=2)], [4], [2])
    with pytest.raises(GFMError, match=message):
        GFM(encoder, normalization="ImageNet")


def test_a_large_reduction_leaves_one_channel():
    model = instantiate({**SMALL_NODE, "reduction": 100})
    assert model(torch.rand(2, 3, 64, 64)).alpha.shape == (2, 1, 64, 64)
