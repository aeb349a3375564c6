"""Networks of timm as encoders: features, parameters and refused networks."""

import sys

import pytest
import timm
import torch
from torch import nn

from gfm.errors import GFMError
from gfm.models.gfm import GFM
from gfm.models.timm_encoder import TimmEncoder, _unused, timm_encoder
from gfm.rosta import ROSTAS
from tests.benchmarks.networks import TIMM

STRIDES = {  # small networks, one of each kind
    "test_resnet": (2, 4, 8, 16, 32),
    "test_convnext": (4, 8, 16, 32),
    "test_mambaout": (4, 8, 16, 32),  # channels last
    "test_vit": (2, 4, 8, 16),  # one stride only, the others are added
    "vgg11_bn": (1, 2, 4, 8, 16, 32),
}
TRIED = [  # the networks of docs/models.md, and more
    *TIMM,
    "swinv2_tiny_window8_256",
    "eva02_tiny_patch14_224",
    "densenet121",
    "dla34",
    "cspdarknet53",
    "fastvit_t8",
    "davit_tiny",
    "caformer_s18",
    "twins_svt_small",
    "efficientvit_b0",
    "edgenext_xx_small",
    "regnety_004",
    "xception41",
    "ghostnet_100",
    "focalnet_tiny_srf",
]


@pytest.mark.parametrize("name", STRIDES)
def test_features_meet_the_contract(name):
    with torch.device("meta"):
        encoder = timm_encoder(name)
        features = encoder(torch.zeros(1, 3, 96, 160))
    assert encoder.strides == STRIDES[name]
    shapes = [tuple(feature.shape) for feature in features]
    expected = zip(encoder.channels, encoder.strides, strict=True)
    assert shapes == [(1, channels, 96 // s, 160 // s) for channels, s in expected]


def test_features_are_those_of_the_network():
    """The channel means agree, even for a network with channels last."""
    torch.manual_seed(0)
    encoder = timm_encoder("test_mambaout").eval()
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        features, outputs = encoder(image), encoder.net(image)
    for feature, output in zip(features, outputs, strict=True):
        torch.testing.assert_close(feature.mean(dim=(0, 2, 3)), output.mean(dim=(0, 1, 2)))


def _step(model: GFM, size: tuple[int, int] = (64, 96)) -> None:
    output = model(torch.rand(2, 3, *size))
    branches = output.branches.values()
    total = sum(b.glance.square().mean() + b.focus.mean() + b.alpha.mean() for b in branches)
    (total + output.alpha.mean()).backward()


def _without_gradient(model: nn.Module) -> list[str]:
    return [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]


@pytest.mark.parametrize(
    ("name", "rosta"),
    [*(("test_resnet", rosta) for rosta in ROSTAS), ("test_mambaout", "rim"), ("test_vit", "tt")],
)
def test_every_parameter_is_used(name, rosta):
    model = GFM(timm_encoder(name), rosta)
    _step(model, (33, 47))  # padded inside
    assert _without_gradient(model) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", TRIED)
def test_networks_that_were_tried(name):
    model = GFM(timm_encoder(name), "rim")
    _step(model)
    assert _without_gradient(model) == []
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)
    with torch.no_grad():
        assert model.eval()(torch.rand(1, 3, 75, 301)).alpha.shape == (1, 1, 75, 301)


class Half(nn.Module):
    """Uses one of its two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)

    def forward(self, image):
        return [self.used(image).relu()]


def test_unused_parameters_are_seen():
    half = Half()
    half.used.bias.requires_grad_(False)
    assert _unused(half, half(torch.zeros(1, 3, 8, 8))) == {"unused.weight", "unused.bias"}


def test_unused_parameters_are_frozen(monkeypatch):
    make = timm.create_model

    def with_a_spare_layer(*args, **kwargs):
        net = make(*args, **kwargs)
        net.conv1.spare = nn.Parameter(torch.zeros(3))
        return net

    monkeypatch.setattr(timm, "create_model", with_a_spare_layer)
    encoder = timm_encoder("test_resnet.r160_in1k")  # a different name, as results are cached
    assert [n for n, p in encoder.named_parameters() if not p.requires_grad] == ["net.conv1.spare"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("convnext_v2_tiny", "did you mean.* convnextv2_tiny"),
        ("qqqqq", "list_models"),
        ("hf-hub:someone/something", "no network"),
        ("crossvit_tiny_240", r"strides are \(12, 17\)|gives no features"),  # by timm's version
        ("mixer_s32_224", "224"),  # a fixed size
        ("mobilevitv2_050", "gives no features"),  # of the right size for odd sides
    ],
)
def test_unsuitable_networks_are_refused(name, message):
    with pytest.raises(GFMError, match=message) as error:
        timm_encoder(name)
    assert "\n" not in str(error.value)
    assert name in str(error.value)


def test_timm_is_optional(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)  # as Python marks what cannot be imported
    with pytest.raises(GFMError, match=r"timm needs timm: pip install 'gfm-matting\[timm\]'"):
        timm_encoder("test_resnet")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Mock the Hugging Face cache of an offline machine."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path


def test_weights_come_from_the_cache(hub):
    torch.manual_seed(1)
    weights = timm.create_model("test_resnet").state_dict()
    repository = hub / "models--timm--test_resnet.r160_in1k"
    snapshot = repository / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123")
    torch.save(weights, snapshot / "pytorch_model.bin")
    encoder = timm_encoder("test_resnet", pretrained=True)
    loaded = encoder.net.state_dict()
    assert loaded.keys() < weights.keys()
    assert all(torch.equal(weights[k], v) for k, v in loaded.items())


@pytest.mark.parametrize("name", ["test_resnet", "test_resnet.r160_in1k"])
def test_weights_that_cannot_be_loaded(hub, name):
    with pytest.raises(GFMError, match=f"ImageNet weights of {name} .*pretrained=false"):
        timm_encoder(name, pretrained=True)
    with pytest.warns(UserWarning, match="random weights"):
        assert isinstance(timm_encoder(name, pretrained="auto"), TimmEncoder)
