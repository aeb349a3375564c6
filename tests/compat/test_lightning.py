"""What breaks where a release of Lightning changes its private parts: a test for each."""

from contextlib import nullcontext

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.plugins.precision import MixedPrecision
from pytorch_lightning.utilities.exceptions import MisconfigurationException, SIGTERMException
from torch.utils.data import DataLoader

from gfm.compat import lightning
from gfm.compat.faults import is_of_lightning, status_after_signal


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


class Logged(pl.Callback):
    """Notes which steps log, asked within each step and at its end."""

    def __init__(self) -> None:
        self.found: list[tuple[bool, bool]] = []

    def on_before_optimizer_step(self, trainer, *_):
        self.inside = lightning.logs_now(trainer)

    def on_train_batch_end(self, trainer, *_):
        self.found.append((self.inside, lightning.logs_now(trainer)))


class Log(pl.loggers.Logger):
    """The steps whose figures arrive."""

    name, version = "log", "0"

    def __init__(self) -> None:
        self.steps: list[int] = []
        super().__init__()

    def log_hyperparams(self, *_):
        pass

    def log_metrics(self, metrics, step):
        self.steps.append(step)


class Figures(Steps):
    """Logs at every step."""

    def training_step(self, batch, batch_idx):
        self.log("x", 1.0)
        return self.layer(batch).sum()


def test_which_steps_log(tmp_path):
    callback, logger = Logged(), Log()
    trainer = pl.Trainer(
        accelerator="cpu", default_root_dir=tmp_path, enable_checkpointing=False, logger=logger,
        callbacks=callback, max_steps=5, log_every_n_steps=2, accumulate_grad_batches=1,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(Figures(), DataLoader(torch.ones(5, 1)))
    assert callback.found == [(each, each) for each in (False, True, False, True, False)]
    assert logger.steps == [1, 3]


class Float16(MixedPrecision):
    """Mixed precision in float16 on a CPU, with a scaler of losses."""

    def __init__(self) -> None:
        super().__init__("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=1024.0))

    def autocast_context_manager(self):
        return nullcontext()


@pytest.mark.parametrize("fused", [False, True])
def test_gradients_are_unscaled_once(tmp_path, fused):
    class Unscaled(Figures):
        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1, fused=fused)

        def configure_gradient_clipping(self, optimizer, **_):
            lightning.unscale_gradients(self.trainer, optimizer)
            self.gradient = self.layer.weight.grad.item()

    module = Unscaled()
    _trainer(tmp_path, max_steps=2, plugins=Float16()).fit(module, DataLoader(torch.ones(5, 1)))
    assert module.gradient == 1


def test_what_asks_for_sigterm_before_each_batch():
    loop = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False).fit_loop
    assert callable(loop.epoch_loop._broadcast_sigterm_tensor)


def test_options_that_lightning_refuses_are_told_from_other_faults():
    assert is_of_lightning(MisconfigurationException("options"))
    with pytest.raises(Exception, match="max_epochs") as refused:
        pl.Trainer(max_epochs=-5)
    assert is_of_lightning(refused.value)
    with pytest.raises(ValueError, match="literal") as other:
        int("text")
    assert not is_of_lightning(other.value)


def test_signals_that_end_a_run_have_a_status(tmp_path):
    assert status_after_signal(KeyboardInterrupt()) == 130
    assert status_after_signal(SIGTERMException()) == 75
    assert status_after_signal(SystemExit(1)) is None

    class Interrupted(Steps):
        def training_step(self, *_):
            raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:  # which is what Lightning makes of it
        _trainer(tmp_path).fit(Interrupted(), DataLoader(torch.ones(8, 1)))
    assert status_after_signal(ended.value) == 130
