"""Activation checkpointing and the memory format affect only memory and time."""

import copy

import pytest
import torch

from gfm.models import encoders
from gfm.models.activation_checkpointing import apply_activation_checkpointing
from gfm.models.gfm import GFM
from gfm.models.timm_encoder import timm_encoder


def _step(model: GFM, seed: int = 0) -> None:
    torch.manual_seed(seed)  # of dropout
    image = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    output = model(image)
    branches = output.branches.values()
    total = sum(b.glance.square().mean() + b.focus.mean() for b in branches)
    (total + output.alpha.mean()).backward()


def _assert_same_step(model: GFM, change=lambda model: model) -> None:
    checkpointed = copy.deepcopy(model)
    apply_activation_checkpointing(checkpointed)
    model, checkpointed = change(model), change(checkpointed)
    for each in (model, checkpointed):
        _step(each)
    for (name, p), q in zip(model.named_parameters(), checkpointed.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, msg=lambda text, name=name: f"{name}: {text}")
    for (name, p), q in zip(model.named_buffers(), checkpointed.named_buffers(), strict=True):
        assert name == q[0]
        assert torch.equal(p, q[1]), name


SMALL = {
    "resnet": lambda: timm_encoder("test_resnet"),
    "efficientnet": lambda: timm_encoder("test_efficientnet"),
    "transformer": lambda: timm_encoder("test_vit"),
}


def _gfm(encoder: encoders.Encoder, **options) -> GFM:
    return GFM(encoder, "rim", decoder_channels=[8] * len(encoder.strides), **options)


@pytest.mark.parametrize("name", SMALL)
def test_gradients_and_statistics_stay_the_same(name):
    torch.manual_seed(0)
    _assert_same_step(_gfm(SMALL[name]()))


def test_norms_replaced_later_count_once(monkeypatch):
    """``trainer=ddp`` replaces norms after the network and its checkpointing are built."""
    # SyncBatchNorm does not run on CPUs; within one process it computes the same as BatchNorm2d.
    monkeypatch.setattr(torch.nn.SyncBatchNorm, "forward", torch.nn.BatchNorm2d.forward)
    monkeypatch.setattr(torch.nn.SyncBatchNorm, "_check_input_dim", lambda self, x: None)
    torch.manual_seed(0)
    model = _gfm(SMALL["resnet"]())
    _assert_same_step(model, torch.nn.SyncBatchNorm.convert_sync_batchnorm)
    assert any(isinstance(module, torch.nn.SyncBatchNorm) for module in model.modules())


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["resnet34", "resnet34_2b", "resnet101", "densenet121", "hrnet_w18_small", "davit_tiny"]
)
def test_gradients_and_statistics_of_larger_networks(name):
    torch.manual_seed(0)
    own = getattr(encoders, name, None)
    _assert_same_step(_gfm(own() if own else timm_encoder(name)))


def _saved_bytes(model: GFM) -> int:
    """Return the bytes that a forward pass saves for the backward pass, without parameters."""
    parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}
    storages: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = model(torch.rand(2, 3, 64, 64))
    assert output.alpha.requires_grad
    return sum(storages.values())


def test_less_is_saved():
    model = _gfm(timm_encoder("test_resnet"))
    whole = _saved_bytes(model)
    apply_activation_checkpointing(model)
    assert _saved_bytes(model) < 0.6 * whole


def _block(in_channels: int) -> torch.nn.Sequential:
    convolution = torch.nn.Conv2d(in_channels, 4, 3, padding=1)
    return torch.nn.Sequential(convolution, torch.nn.BatchNorm2d(4), torch.nn.SiLU())


def test_compiled_blocks_give_the_same():
    """``compile=true`` keeps the gradients and statistics of ``activation_checkpointing=true``."""
    torch.manual_seed(0)
    plain = torch.nn.Sequential(_block(3), _block(4))
    compiled = copy.deepcopy(plain)
    apply_activation_checkpointing(compiled)
    compiled.compile(backend="aot_eager", fullgraph=True)
    for _ in range(2):
        image = torch.rand(2, 3, 16, 16)
        for each in (plain, compiled):
            each.zero_grad()
            each(image).square().mean().backward()
    for p, q in zip(plain.parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad)
    torch.testing.assert_close(dict(plain.named_buffers()), dict(compiled.named_buffers()))


def test_options_keep_the_names_of_weights():
    with torch.device("meta"):
        plain = _gfm(encoders.resnet34())
        other = _gfm(encoders.resnet34(), activation_checkpointing=True, channels_last=True)
    assert list(plain.state_dict()) == list(other.state_dict())


def test_channels_last():
    torch.manual_seed(0)
    model = _gfm(timm_encoder("test_resnet")).eval()
    other = _gfm(timm_encoder("test_resnet"), channels_last=True).eval()
    other.load_state_dict(model.state_dict())
    weight = other.focus.bridge[0].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not weight.is_contiguous()
    image = torch.rand(1, 3, 40, 72)
    with torch.no_grad():
        assert other.encode(image)[1].is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(model(image).alpha, other(image).alpha, rtol=0, atol=1e-4)


def test_channels_last_with_weights_of_five_dimensions():
    """As in the lambda layers of timm's ``lambda_resnet26t``."""
    model = _gfm(timm_encoder("test_resnet"))
    model.encoder.layer = torch.nn.Conv3d(1, 2, 3)
    model.use_channels_last()
    assert model.focus.bridge[0].weight.is_contiguous(memory_format=torch.channels_last)
