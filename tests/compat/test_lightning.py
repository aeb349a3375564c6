"""Private APIs of Lightning: a test fails for each that a release changes."""

import signal
import subprocess
from contextlib import nullcontext

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.plugins.precision import MixedPrecision
from pytorch_lightning.utilities.exceptions import MisconfigurationException, SIGTERMException
from torch.utils.data import DataLoader

from gfm.compat import lightning
from gfm.compat.lightning_errors import exit_status_after_signal, is_misconfiguration


class Steps(pl.LightningModule):
    """Counts the batches fetched, and stops after two."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.fetched: list[int] = []

    def training_step(self, batch, batch_idx):
        self.fetched.append(lightning.num_batches_fetched(self.trainer))
        if batch_idx == 1:
            lightning.set_received_sigterm(self.trainer, True)
        return self.layer(batch).sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def _trainer(tmp_path, **options) -> pl.Trainer:
    silent = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    options = {"enable_checkpointing": False, **silent, **options}
    return pl.Trainer(accelerator="cpu", default_root_dir=tmp_path, **options)


def _read(path):
    return torch.load(path, weights_only=True)


def test_batches_are_counted_and_a_terminated_trainer_leaves(tmp_path):
    module = Steps()
    with pytest.raises(SIGTERMException):
        _trainer(tmp_path).fit(module, DataLoader(torch.ones(8, 1)))
    assert module.fetched == [1, 2]
    assert issubclass(SIGTERMException, SystemExit)  # as gfm.run.exit expects


class Plain(Steps):
    """Takes steps and validates."""

    def training_step(self, batch, batch_idx):
        return self.layer(batch).sum()

    def validation_step(self, batch, batch_idx):
        pass


# Of the fourth and last batch of an epoch, or of the sixth batch, in the second epoch.
@pytest.mark.parametrize(
    ("batch", "options", "is_due"),
    [
        (4, {"check_val_every_n_epoch": None, "val_check_interval": 2}, True),
        (4, {"check_val_every_n_epoch": None, "val_check_interval": 3}, False),
        (6, {"check_val_every_n_epoch": None, "val_check_interval": 3}, True),
        (6, {"val_check_interval": 2}, True),
        (6, {"val_check_interval": 0.5}, True),
        (6, {"val_check_interval": 3}, False),
        (6, {"check_val_every_n_epoch": 3, "val_check_interval": 2}, False),
        (4, {}, True),
        (6, {}, False),
    ],
)
def test_only_a_validation_that_is_due_is_restarted(tmp_path, batch, options, is_due):
    class Save(pl.Callback):
        def on_train_batch_end(self, trainer, *_):
            if trainer.global_step == batch:
                trainer.save_checkpoint(tmp_path / "x.ckpt")

    class Resumed(Plain):
        def on_load_checkpoint(self, checkpoint):
            lightning.restart_unfinished_validation(self.trainer, checkpoint)

        def on_validation_start(self):
            validated.append(self.global_step)

    data, validated = DataLoader(torch.ones(4, 1)), []
    start = {"max_epochs": 3, "num_sanity_val_steps": 0, **options}
    _trainer(tmp_path, callbacks=Save(), **start).fit(Resumed(), data, data)
    expected = [step for step in validated if step >= batch]
    validated.clear()
    trainer = _trainer(tmp_path, **start)
    trainer.fit(Resumed(), data, data, ckpt_path=tmp_path / "x.ckpt", weights_only=True)
    assert validated == expected
    assert (validated[:1] == [batch]) == is_due


def test_a_checkpoint_has_the_entries_required_to_resume(tmp_path):
    module, trainer = Steps(), _trainer(tmp_path, max_steps=1)
    module.save_hyperparameters({"model": "x"})
    trainer.fit(module, DataLoader(torch.ones(8, 1)))
    trainer.save_checkpoint(tmp_path / "x.ckpt")
    assert lightning.missing_entries(_read(tmp_path / "x.ckpt")) == []
    trainer.save_checkpoint(tmp_path / "x.ckpt", weights_only=True)
    weights = _read(tmp_path / "x.ckpt")
    assert "optimizer_states" in lightning.missing_entries(weights)
    # gfm.checkpoints.formats recognises checkpoints of runs by this name.
    assert "pytorch-lightning_version" in weights


def test_ddp_launches_the_script_for_each_device(tmp_path):
    assert lightning.launches_script_per_device(_trainer(tmp_path, strategy="ddp", devices=2))
    for options in ({"devices": 1}, {"strategy": "ddp_spawn", "devices": 2}):
        assert not lightning.launches_script_per_device(_trainer(tmp_path, **options))


def test_tasks_of_slurm_that_srun_has_not_started(tmp_path, monkeypatch):
    for name, value in {"NTASKS": 2, "NTASKS_PER_NODE": 2, "PROCID": 0, "LOCALID": 0}.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    monkeypatch.setenv("SLURM_NODEID", "0")
    assert lightning.lacks_srun(_trainer(tmp_path, strategy="ddp", devices=2))
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    assert not lightning.lacks_srun(_trainer(tmp_path, strategy="ddp", devices=2))
    monkeypatch.delenv("SLURM_STEP_NUM_TASKS")
    monkeypatch.setenv("SLURM_JOB_NAME", "bash")  # Lightning starts the processes
    assert not lightning.lacks_srun(_trainer(tmp_path, strategy="ddp", devices=2))


def test_a_signal_is_forwarded_to_started_processes(tmp_path):
    lightning.forward_signal(_trainer(tmp_path, devices=1), signal.SIGTERM)  # to nobody
    trainer = _trainer(tmp_path, strategy="ddp", devices=2)
    with subprocess.Popen(["sleep", "9"]) as started:
        trainer.strategy.launcher.procs.append(started)
        lightning.forward_signal(trainer, signal.SIGTERM)
    assert started.returncode == -signal.SIGTERM


def test_an_option_does_not_reach_wandb(tmp_path, monkeypatch):
    options = {}
    monkeypatch.setattr("wandb.init", lambda **given: options.update(given))
    logger = WandbLogger(save_dir=tmp_path, notes="x", group="y")
    lightning.drop_wandb_option(logger, "notes")
    _ = logger.experiment
    assert "notes" not in options
    assert options["group"] == "y"


class Logged(pl.Callback):
    """Records which steps log, both within each step and at its end."""

    def __init__(self) -> None:
        self.found: list[tuple[bool, bool]] = []

    def on_before_optimizer_step(self, trainer, *_):
        self.inside = lightning.should_update_logs(trainer)

    def on_train_batch_end(self, trainer, *_):
        self.found.append((self.inside, lightning.should_update_logs(trainer)))


class Log(pl.loggers.Logger):
    """Records the steps whose values reach the logger."""

    name, version = "log", "0"

    def __init__(self) -> None:
        self.steps, self.validated = [], []
        super().__init__()

    def log_hyperparams(self, *_):
        pass

    def log_metrics(self, metrics, step):
        (self.validated if "validated" in metrics else self.steps).append(step)


class Figures(Steps):
    """Logs at every step."""

    def training_step(self, batch, batch_idx):
        self.log("x", 1.0)
        return self.layer(batch).sum()


class Validated(Figures):
    """Logs during validation, and records the step."""

    def validation_step(self, batch, batch_idx):
        self.log("validated", 1.0)

    def on_validation_epoch_end(self):
        self.logged_step = lightning.logged_step(self.trainer)


def test_which_steps_log(tmp_path):
    callback, log = Logged(), Log()
    trainer = _trainer(tmp_path, logger=log, callbacks=callback, max_steps=5, log_every_n_steps=2)
    trainer.fit(Figures(), DataLoader(torch.ones(5, 1)))
    assert callback.found == [(each, each) for each in (False, True, False, True, False)]
    assert log.steps == [1, 3]


def test_the_step_under_which_validation_is_logged(tmp_path):
    module, logger, batches = Validated(), Log(), DataLoader(torch.ones(3, 1))
    trainer = _trainer(tmp_path, logger=logger, max_epochs=1, num_sanity_val_steps=0)
    trainer.fit(module, batches, batches)
    assert logger.validated == [module.logged_step] == [2]


class Float16(MixedPrecision):
    """Mixed float16 precision on a CPU, with a loss scaler."""

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


class Pair(pl.Callback):
    """Simulates two processes while Lightning fetches a batch."""

    def __init__(self, is_disabled: bool) -> None:
        self.is_disabled = is_disabled
        self.broadcasts = 0
        self.patch = pytest.MonkeyPatch()

    def on_train_start(self, trainer, *_):
        if self.is_disabled:
            lightning.disable_sigterm_broadcast(trainer)

    def on_train_epoch_start(self, trainer, *_):
        self.patch.setattr(torch.distributed, "is_initialized", lambda: True)
        self.patch.setattr(pl.Trainer, "world_size", 2)
        self.patch.setattr(torch.distributed, "broadcast", self.broadcast)

    def broadcast(self, *_, **__):
        self.broadcasts += 1

    def on_train_batch_start(self, *_):
        self.patch.undo()


@pytest.mark.parametrize("is_disabled", [False, True])
def test_sigterm_is_broadcast_unless_disabled(tmp_path, is_disabled):
    pair = Pair(is_disabled)
    _trainer(tmp_path, max_steps=1, callbacks=pair).fit(Steps(), DataLoader(torch.ones(1, 1)))
    assert pair.broadcasts == (0 if is_disabled else 1)


def test_misconfigurations_are_recognised(monkeypatch):
    assert is_misconfiguration(MisconfigurationException("options"))
    monkeypatch.setenv("SLURM_NTASKS", "2")
    monkeypatch.delenv("SLURM_NTASKS_PER_NODE", raising=False)
    with pytest.raises(RuntimeError, match="--ntasks-per-node") as refused:
        pl.Trainer(accelerator="cpu")
    assert is_misconfiguration(refused.value)
    monkeypatch.delenv("SLURM_NTASKS")
    with pytest.raises(Exception, match="max_epochs") as refused:
        pl.Trainer(max_epochs=-5)
    assert is_misconfiguration(refused.value)
    with pytest.raises(ValueError, match="literal") as other:
        int("text")
    assert not is_misconfiguration(other.value)


def test_signals_that_end_a_run_have_a_status(tmp_path):
    assert exit_status_after_signal(KeyboardInterrupt()) == 130
    assert exit_status_after_signal(SIGTERMException()) == 75
    assert exit_status_after_signal(SystemExit(1)) is None

    class Interrupted(Steps):
        def training_step(self, *_):
            raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:  # raised by Lightning
        _trainer(tmp_path).fit(Interrupted(), DataLoader(torch.ones(8, 1)))
    assert exit_status_after_signal(ended.value) == 130
