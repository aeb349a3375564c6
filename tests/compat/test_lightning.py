"""What breaks where a release of Lightning changes its private parts: a test for each."""

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities.exceptions import SIGTERMException
from torch.utils.data import DataLoader

from gfm.compat import lightning


class Steps(pl.LightningModule):
    """Counts the batches begun, and stops after two."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.begun: list[int] = []

    def training_step(self, batch, batch_idx):
        self.begun.append(lightning.num_batches_begun(self.trainer))
        if batch_idx == 1:
            lightning.set_terminated(self.trainer, True)
        return self.layer(batch).sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def _trainer(tmp_path, **options) -> pl.Trainer:
    silent = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return pl.Trainer(
        accelerator="cpu",
        default_root_dir=tmp_path,
        enable_checkpointing=False,
        **silent,
        **options,
    )


def test_batches_are_counted_and_a_terminated_trainer_leaves(tmp_path):
    module = Steps()
    with pytest.raises(SIGTERMException):
        _trainer(tmp_path).fit(module, DataLoader(torch.ones(8, 1)))
    assert module.begun == [1, 2]
    assert issubclass(SIGTERMException, SystemExit)  # as gfm.launch.entry takes it


def test_a_checkpoint_has_the_loops_that_a_validation_is_made_up_in(tmp_path):
    trainer = _trainer(tmp_path, max_steps=1)
    trainer.fit(Steps(), DataLoader(torch.ones(8, 1)))
    trainer.save_checkpoint(tmp_path / "x.ckpt")
    content = torch.load(tmp_path / "x.ckpt", weights_only=True)
    lightning.make_up_validation(content, None)
    assert content["loops"]["fit_loop"]["epoch_loop.batch_progress"]["current"]["ready"] == 1


def test_a_script_is_started_again_for_each_device_of_ddp(tmp_path):
    assert lightning.starts_processes_by_script(_trainer(tmp_path, strategy="ddp", devices=2))
    for options in ({"devices": 1}, {"strategy": "ddp_spawn", "devices": 2}):
        assert not lightning.starts_processes_by_script(_trainer(tmp_path, **options))


def test_loggers(tmp_path):
    wandb = WandbLogger(offline=True, save_dir=tmp_path)
    lightning.drop_wandb_option(wandb, "anonymous")
    assert "anonymous" not in wandb._wandb_init
