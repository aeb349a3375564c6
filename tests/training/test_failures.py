"""One failed process ends all, even if the others wait as they would in NCCL."""

import multiprocessing
import os
import signal
import socket
import time

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.demos.boring_classes import BoringModel

from gfm.errors import GFMError
from gfm.training import failures
from gfm.training.failures import FailTogether


class FailsAlone(pl.Callback):
    """Raises an error on one rank, while the other one waits and ignores signals.

    Gloo would notice that the failed rank closed its socket; NCCL does not.
    """

    def __init__(self, rank: int) -> None:
        self.rank = rank

    def on_train_batch_start(self, trainer, *_):
        if trainer.global_rank == self.rank:
            raise GFMError("the disk is full")
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        time.sleep(120)


def fit(rank: int, failing: int, variables: dict[str, str]) -> None:
    os.environ.update({**variables, "RANK": str(rank), "LOCAL_RANK": str(rank)})
    trainer(FailsAlone(failing), devices=2, strategy="ddp").fit(BoringModel())


def trainer(*callbacks, **options) -> pl.Trainer:
    off = ("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing")
    quiet = dict.fromkeys(off, False)
    callbacks = [FailTogether(), *callbacks]
    return pl.Trainer(accelerator="cpu", max_steps=1, callbacks=callbacks, **quiet, **options)


@pytest.fixture
def torchrun() -> dict[str, str]:
    """Return the variables that ``torchrun`` sets for each of two processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(probe.getsockname()[1])}
    world = dict.fromkeys(("WORLD_SIZE", "LOCAL_WORLD_SIZE"), "2")
    return {**address, **world, "GROUP_RANK": "0", "TORCHELASTIC_RUN_ID": "none"}


@pytest.mark.skipif(torch.cuda.is_initialized(), reason="processes cannot fork once a GPU is used")
@pytest.mark.parametrize("failing", [0, 1])
def test_a_failed_process_ends_the_other(torchrun, failing, monkeypatch):
    monkeypatch.setattr(failures, "_GRACE", 1.0)  # the processes inherit both
    monkeypatch.setattr(failures, "_INTERVAL", 0.2)
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=fit, args=(rank, failing, torchrun)) for rank in (0, 1)]
    for process in processes:
        process.start()
    try:
        for process in processes:
            process.join(15)
        assert [process.exitcode for process in processes] == [1, 1]
    finally:
        for process in processes:
            process.kill()


def test_too_few_processes_are_refused(monkeypatch):
    """SLURM starts one task per node without ``--ntasks-per-node``."""
    slurm = {"JOB_ID": "1", "NNODES": "1", "NTASKS": "1", "NODEID": "0", "PROCID": "0"}
    for name, value in {**slurm, "LOCALID": "0", "JOB_NAME": "gfm"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MASTER_PORT", str(probe.getsockname()[1]))
    with pytest.raises(GFMError, match=r"devices=2 .* need 2 processes, but 1 started"):
        trainer(devices=2, strategy="ddp").fit(BoringModel())
    torch.distributed.destroy_process_group()
