"""SIGTERM and SIGUSR1, as SLURM sends them: to all processes of a job, at different steps."""

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer.states import TrainerFn

from gfm.animals import DrawnAnimals
from gfm.compat.lightning import SIGTERMException
from gfm.data.loaders import _Loader
from gfm.errors import GFMError
from gfm.run.train import train
from gfm.system.processes import handle_like_sigterm
from gfm.training.preemption import SaveAtEnd
from tests import processes
from tests.conftest import DEMO, SMALL_DATA, SMALL_TRAINING, compose_config
from tests.processes import Command


class Terminator(pl.Callback):
    """Signals only the second of two processes, in its second step or its only validation photo."""

    def __init__(self, name: str, in_validation: bool) -> None:
        self.number = signal.Signals[name]
        self.in_validation = in_validation

    def on_train_batch_start(self, trainer, *_):
        if trainer.global_rank == 1 and trainer.global_step == 1 and not self.in_validation:
            os.kill(os.getpid(), self.number)

    def on_validation_batch_start(self, trainer, *_):
        if trainer.global_rank == 1 and self.in_validation:
            os.kill(os.getpid(), self.number)


IDLE = "+callbacks.t={_target_: pytorch_lightning.Callback}"


def srun(options: list[str]) -> list[tuple[int, str]]:
    """Exit statuses and outputs of two processes that are started as by ``srun``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    common = {"JOB_ID": "1", "NNODES": "1", "NTASKS": "2", "NTASKS_PER_NODE": "2", "NODEID": "0"}
    common["STEP_NUM_TASKS"] = "2"  # set by srun alone
    commands = []
    for rank in ("0", "1"):
        slurm = {f"SLURM_{k}": v for k, v in {**common, "PROCID": rank, "LOCALID": rank}.items()}
        where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        commands.append(Command(["train.py", *options], env={**os.environ, **slurm, **where}))
    try:
        return [(c.wait(120), c.stdout + c.stderr) for c in commands]
    finally:
        for command in commands:
            command.kill()


@pytest.fixture(scope="module")
def twelve_photos(tmp_path_factory) -> list[str]:
    numbers = {"num_train": 12, "num_validation": 3}
    folder = tmp_path_factory.mktemp("demo")
    DrawnAnimals(folder, **{**DEMO, **numbers}).find()
    return [f"paths.demo={folder}", *(f"data.source.{k}={v}" for k, v in numbers.items())]


# Of three photos the first process has two.
@pytest.mark.parametrize(
    ("name", "in_validation", "steps"), [("SIGUSR1", False, 2), ("SIGTERM", True, 3)]
)
def test_all_processes_of_a_job_stop_together_and_resume(
    twelve_photos, tmp_path, name, in_validation, steps
):
    run = tmp_path / "run"
    target = "_target_: tests.training.test_preemption.Terminator"
    terminator = f"{{{target}, name: {name}, in_validation: {in_validation}}}"
    more = [*twelve_photos, "track=ori", "data.batch_size=4"]  # two samples for each process
    more += ["trainer=ddp_cpu", "trainer.strategy=ddp", "trainer.limit_train_batches=3"]
    more += [f"paths.run={run}", f"hydra.run.dir={run}"]
    small = [o for o in SMALL_TRAINING if "limit_train_batches" not in o]
    results = srun([*SMALL_DATA, *small, *more, f"+callbacks.t={terminator}"])
    assert [status for status, _ in results] == [75, 75], results
    last = run / "checkpoints/last.ckpt"
    assert torch.load(last, weights_only=True)["global_step"] == steps
    results = srun([f"ckpt_path={run}", "trainer.max_epochs=2", IDLE])
    assert [status for status, _ in results] == [0, 0], results
    assert torch.load(last, weights_only=True)["global_step"] == 6


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("name", ["SIGHUP", "SIGUSR1", "SIGUSR2"])
def test_signals_of_schedulers_become_sigterm(name):
    number, received = signal.Signals[name], []
    before = {n: signal.getsignal(n) for n in (number, signal.SIGTERM)}
    try:
        signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, lambda n, _: received.append(n))
        handle_like_sigterm()
        signal.raise_signal(number)
        assert received == [signal.SIGTERM]
        signal.signal(number, signal.SIG_IGN)  # a handler of submitit or nohup stays
        handle_like_sigterm()
        assert signal.getsignal(number) == signal.SIG_IGN
    finally:
        for n, handler in before.items():
            signal.signal(n, handler)


def test_handlers_are_as_before_after_a_training_that_failed(tiny_training):
    """Lightning restores them."""
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)}
    failing = "+callbacks.fails={_target_: tests.training.test_preemption.Failing}"
    with pytest.raises(RuntimeError, match="SIGINT is handled"):
        train(compose_config("train", [*tiny_training, "logger=none", failing]))
    assert before == {n: signal.getsignal(n) for n in before}


class Failing(pl.Callback):
    """Fails in the first step."""

    def on_train_batch_start(self, *_):
        if signal.getsignal(signal.SIGINT) != signal.default_int_handler:
            raise RuntimeError("SIGINT is handled")


class Preempted(pl.Callback):
    """Sends SIGUSR2 in the second step, as SLURM does before it ends a job of submitit."""

    def on_train_batch_start(self, trainer, *_):
        if trainer.global_step == 1:
            os.kill(os.getpid(), signal.SIGUSR2)


@pytest.mark.parametrize("minutes", [60, 0], ids=["preempted", "too long"])
def test_submitit_requeues_a_job_after_it_has_saved(tiny_training, tmp_path, minutes):
    environment = pytest.importorskip("submitit.core.job_environment")
    last, requeued = tmp_path / "checkpoints/last.ckpt", []

    class Job(environment.JobEnvironment):
        global_rank = 0

        def _requeue(self, countdown):
            requeued.append(torch.load(last, weights_only=True)["global_step"])

    before = {n: signal.getsignal(n) for n in signal.valid_signals()}
    sends = "+callbacks.sends={_target_: tests.training.test_preemption.Preempted}"
    more = ["trainer.max_steps=5", "trainer.limit_train_batches=5", f"paths.run={tmp_path}", sends]
    cfg = compose_config("train", [*tiny_training, "logger=none", *more])
    task = SimpleNamespace(_timeout_min=minutes, _timeout_countdown=0, function=None)
    try:
        Job()._handle_signals(None, task)
        with pytest.raises((SystemExit, GFMError)) as ended:
            train(cfg)
    finally:
        for number in (signal.SIGUSR2, signal.SIGTERM, signal.SIGCONT):
            signal.signal(number, before[number])
    assert torch.load(last, weights_only=True)["global_step"] == 2
    if minutes:
        assert (requeued, ended.value.code) == ([2], -1)
    else:
        assert (requeued, "hydra.sweep.dir" in str(ended.value)) == ([], True)


class Early(pl.Callback):
    """Sends SIGTERM at the last photo of the validation before training."""

    def on_validation_batch_end(self, trainer, *_):
        if trainer.state.fn == TrainerFn.VALIDATING:
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_ends_the_validation_before_training(tiny_training):
    more = ["validate_first=true", "trainer.limit_val_batches=1", "logger=none"]
    more.append("+callbacks.early={_target_: tests.training.test_preemption.Early}")
    with pytest.raises(SIGTERMException):
        train(compose_config("train", [*tiny_training, *more]))


class Impatient(Terminator):
    """Sends SIGTERM again while W&B finishes, as SLURM does once another process has exited."""

    def on_train_batch_start(self, trainer, *_):
        def finish(_: int) -> None:
            os.kill(os.getpid(), self.number)

        sys.modules["wandb"] = SimpleNamespace(run="run", finish=finish)
        finish(0)


def test_a_run_that_saved_keeps_its_status(demo_folder, demo_roots, tmp_path):
    target = "_target_: tests.training.test_preemption.Impatient"
    more = [f"paths.demo={demo_folder}", f"paths.run={tmp_path}", "track=ori"]
    more += [f"+callbacks.t={{{target}, name: SIGTERM, in_validation: false}}"]
    done = processes.run(["train.py", *SMALL_DATA, *SMALL_TRAINING, *more])
    assert done.returncode == os.EX_TEMPFAIL, done.stderr
    assert "progress saved: resume with" in done.stderr


def test_a_loader_worker_ends_only_on_its_parents_signal():
    loader = _Loader(range(100), num_workers=1)
    batches = iter(loader)
    next(batches)
    (worker,) = multiprocessing.active_children()
    kill = f"kill -TERM {worker.pid}; sleep 0.05; " * 10  # any of its threads may receive it
    subprocess.run(kill, shell=True, check=True)
    assert worker.is_alive()
    assert len(list(batches)) == 99
    worker.terminate()
    worker.join(10)
    assert not worker.is_alive()


@pytest.mark.parametrize(("accumulates", "stops"), [(False, True), (True, False)])
def test_a_single_process_does_not_ask_others(monkeypatch, tmp_path, accumulates, stops):
    """With ``trainer=ddp``, asking would wait for the GPU at every step."""
    told = []
    monkeypatch.setattr("gfm.training.preemption.is_accumulating", lambda _: accumulates)
    monkeypatch.setattr(
        "gfm.training.preemption.set_received_sigterm", lambda _, value: told.append(value)
    )
    callback = SaveAtEnd(tmp_path / "last.ckpt")
    callback.received = signal.SIGTERM
    callback.on_train_batch_end(SimpleNamespace(world_size=1))
    assert told == [stops]
