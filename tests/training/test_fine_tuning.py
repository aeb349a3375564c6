"""Training that starts from other weights, and with the network compiled."""

import pickle

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader

from gfm.compat.lightning import num_batches_fetched
from gfm.losses import Criterion
from gfm.run.build import build_datamodule, build_module
from gfm.run.configuration import load_train_config
from gfm.run.train import train
from gfm.training.callbacks import EarlyEnd
from gfm.training.module import MattingModule
from tests.compat.test_lightning import Plain, _trainer
from tests.conftest import SMALL_NETWORK, compose_config
from tests.golden.formula import formula_state_dict
from tests.models.test_gfm import official_model

FROZEN = ["optimizer.lr=0", "logger=none", "trainer.limit_val_batches=0", "callbacks=none"]


def test_fine_tuning_from_a_released_checkpoint(tiny_training, tmp_path):
    """One override; ImageNet weights are not even looked for."""
    path = tmp_path / "gfm_r34_tt.pth"
    torch.save({f"module.{k}": v for k, v in formula_state_dict("r34_TT").items()}, path)
    choice = [f"init_from={path}", "rosta=tt", "backbone.pretrained=true"]
    choice += ["recipe.decoder_scale=1", "recipe.normalization=none"]
    others = [option for option in tiny_training if option not in SMALL_NETWORK]
    cfg = compose_config("train", [*others, "backbone=r34", *FROZEN, *choice])
    config = load_train_config(cfg)
    module = build_module(config, build_datamodule(config), resumed=None)
    tuned = dict(module.model.named_parameters())
    released = dict(official_model("r34_TT").named_parameters())
    assert all(torch.equal(tuned[name], released[name]) for name in released)


def test_compiling_keeps_the_names_of_weights(tiny_training, monkeypatch):
    """The option reaches torch.compile; names of weights stay. Compiling itself takes minutes."""
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: compiled.append(self))
    cfg = compose_config("train", [*tiny_training, *FROZEN, "compile=true"])
    _, objects = train(cfg)
    assert compiled == [objects["module"].model]
    assert "model.encoder.net.conv1.0.weight" in objects["module"].state_dict()
    assert objects["trainer"].global_step == 2


def test_a_spawned_process_compiles_and_allows_tf32(monkeypatch):
    """Lightning pickles the module for it, which drops the compiled network."""
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: compiled.append(self))
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    precision = torch.get_float32_matmul_precision()
    parts = {"optimizer": None, "scheduler": None, "inferer": None, "metrics": None}
    module = MattingModule(nn.Identity(), Criterion("tt"), **parts, config={"compile": True})
    sent = pickle.loads(pickle.dumps(module))
    sent.trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    sent.setup("fit")
    torch.set_float32_matmul_precision(precision)
    assert compiled == [sent.model]
    assert torch.backends.cudnn.allow_tf32


def test_without_an_objective_no_run_ends_early(tiny_training):
    ending = "{_target_: gfm.training.callbacks.EarlyEnd, monitor: null, mode: min, patience: 1}"
    more = ["objective=null", "trainer.check_val_every_n_epoch=1", "logger=none", "test=false"]
    _, objects = train(compose_config("train", [*tiny_training, *more, f"+callbacks.e={ending}"]))
    assert objects["trainer"].global_step == 2


class Worse(Plain):
    """Gets worse at each validation."""

    def validation_step(self, batch, batch_idx):
        self.log("val/sad", float(num_batches_fetched(self.trainer)))


def test_no_run_ends_early_between_the_batches_of_a_step(tmp_path):
    trainer = _trainer(
        tmp_path, callbacks=EarlyEnd("val/sad", "min", patience=1), max_epochs=1,
        accumulate_grad_batches=4, val_check_interval=3, num_sanity_val_steps=0,
    )  # fmt: skip
    trainer.fit(Worse(), DataLoader(torch.ones(12, 1)), DataLoader(torch.ones(1, 1)))
    assert num_batches_fetched(trainer) == 8  # the second validation is after 6 batches


@pytest.mark.parametrize(("batches", "interval"), [("1", 50), ("4", 200), ("0", 50), ("x", 50)])
def test_the_recipe_validates_every_50_steps(batches, interval):
    """Lightning counts batches. The error for an invalid number names that option, not this one."""
    choice = ["recipe=finetune", f"trainer.accumulate_grad_batches={batches}"]
    assert compose_config("train", choice).trainer.val_check_interval == interval
