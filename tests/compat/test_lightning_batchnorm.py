"""Batch norms that include an activation keep it where processes synchronise them."""

import copy
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.layer_sync import TorchSyncBatchNorm
from timm.layers import BatchNormAct2d
from torch import nn

from gfm.compat.hydra import instantiate
from gfm.compat.lightning_batchnorm import SyncBatchNormAct, SyncBatchNorms, synchronize_norms
from gfm.errors import GFMError
from gfm.training.module import MattingModule
from tests.conftest import SMALL_NODE


def _network() -> nn.Sequential:
    torch.manual_seed(0)
    norms = nn.BatchNorm2d(4), BatchNormAct2d(4), BatchNormAct2d(4, apply_act=False)
    for norm in norms:
        nn.init.normal_(norm.bias)
    return nn.Sequential(nn.Conv2d(3, 4, 3), *norms)


@pytest.mark.parametrize("is_training", [True, False])
def test_synchronised_norms_compute_the_same(is_training, monkeypatch):
    network, image = _network().train(is_training), torch.rand(2, 3, 8, 8)
    expected = copy.deepcopy(network)(image)
    plugin = SyncBatchNorms()
    synchronised = plugin.apply(copy.deepcopy(network))
    kinds = [type(module) for module in synchronised if not isinstance(module, nn.Conv2d)]
    assert kinds == [nn.SyncBatchNorm, SyncBatchNormAct, SyncBatchNormAct]
    assert list(synchronised.state_dict()) == list(network.state_dict())
    assert torch.equal(synchronised(image), expected)
    restored = plugin.revert(synchronised)
    assert [type(module) for module in restored] == [type(module) for module in network]
    assert torch.equal(restored.eval()(image), synchronised.eval()(image))


def test_lightning_s_own_plugin_drops_the_activation():
    """Once it no longer does, ours can go."""
    network, image = _network().eval(), torch.rand(2, 3, 8, 8)
    assert not torch.equal(
        TorchSyncBatchNorm().apply(copy.deepcopy(network))(image), network(image)
    )


def test_a_norm_that_does_something_unknown_is_refused():
    class Doubled(nn.BatchNorm2d):
        def forward(self, x):
            return 2 * super().forward(x)

    with pytest.raises(GFMError, match=r"cannot synchronise Doubled.*sync_batchnorm=false"):
        SyncBatchNorms().apply(Doubled(2))


@pytest.mark.parametrize("synchronises", [True, False])
def test_the_plugin_replaces_lightning_s(synchronises):
    trainer = pl.Trainer(accelerator="cpu", strategy="ddp", sync_batchnorm=synchronises,
                         logger=False, enable_checkpointing=False)  # fmt: skip
    synchronize_norms(trainer)
    expected = SyncBatchNorms if synchronises else type(None)
    assert type(trainer.strategy._layer_sync) is expected
    assert trainer.strategy._ddp_kwargs.get("broadcast_buffers", True) != synchronises


def test_a_fit_uses_the_plugin():
    strategy = SimpleNamespace(_layer_sync=TorchSyncBatchNorm())
    module = MattingModule(instantiate(SMALL_NODE), None, None, None, None, None, {})
    module._trainer = SimpleNamespace(strategy=strategy)
    module.setup("fit")
    assert isinstance(strategy._layer_sync, SyncBatchNorms)
