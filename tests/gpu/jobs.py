"""Runs train.py in separate processes, started as by users and schedulers."""

import csv
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl

from tests.conftest import SMALL_DATA, SMALL_NETWORK
from tests.gpu.runner import PROJECT, descendants, kill_tree
from tests.gpu.stage import Stage

_GLOO = "{_target_: pytorch_lightning.strategies.DDPStrategy, process_group_backend: gloo}"
PLAIN = ["trainer.strategy=auto"]
ONE_RANK = ["trainer.strategy=ddp", "trainer.devices=1"]
TWO_NODES = [f"trainer.strategy={_GLOO}", "trainer.devices=1", "trainer.num_nodes=2"]
"""Two nodes that are this machine, so that both use its first card; NCCL would refuse that."""


class RaiseOnFirst(pl.Callback):
    """Raises an error in the third step, on global rank zero only."""

    def on_train_batch_start(self, trainer: pl.Trainer, *_: object) -> None:
        """Raise the error."""
        if trainer.is_global_zero and trainer.global_step == 2:
            raise RuntimeError("raised on purpose")


class Job:
    """A run of train.py, which may be several processes.

    Args:
        stage: Stage that runs it.
        name: Name of the folder of the run.
        options: Overrides.
        num_nodes: Number of processes to start, each standing for a machine.
    """

    def __init__(self, stage: Stage, name: str, options: Sequence[str], num_nodes: int = 1) -> None:
        self.folder = stage.folder / "jobs" / name
        self.folder.mkdir(parents=True, exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        where = [f"paths.run={self.folder}", f"hydra.run.dir={self.folder}"]
        command = [sys.executable, "train.py", *options, *where]
        self.logs = [self.folder / f"node{node}.txt" for node in range(num_nodes)]
        self.processes = []
        for node, log in enumerate(self.logs):
            nodes = {"NODE_RANK": str(node), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            variables = {**os.environ, **(nodes if num_nodes > 1 else {})}
            if stage.is_rehearsal:  # torch synchronises batch norm only on GPUs
                variables["PYTHONPATH"] = str(PROJECT / "tests/synchronized")
            variables["PYTHONPATH"] = os.pathsep.join(
                filter(None, [variables.get("PYTHONPATH"), str(PROJECT)])
            )
            with log.open("w") as stream:
                self.processes.append(
                    subprocess.Popen(
                        command, cwd=PROJECT, env=variables, stdin=subprocess.DEVNULL,
                        stdout=stream, stderr=subprocess.STDOUT,
                    )
                )  # fmt: skip

    def __enter__(self) -> "Job":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            kill_tree(process)

    def wait(self, seconds: float) -> list[int]:
        """Return the exit statuses.

        Raises:
            TimeoutError: A process is still running; the message ends with its output.
        """
        end = time.monotonic() + seconds
        for process, log in zip(self.processes, self.logs, strict=True):
            try:
                process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise TimeoutError(f"still running after {seconds:.0f} s: {tail(log)}") from None
        return [process.returncode for process in self.processes]

    def finish(self, seconds: float) -> "Job":
        """Wait for the end of the run, and return the job.

        Raises:
            RuntimeError: A process failed.
        """
        for status, log in zip(self.wait(seconds), self.logs, strict=True):
            if status:
                raise RuntimeError(f"exit status {status}: {tail(log)}")
        return self

    def wait_for_steps(self, number: int, seconds: float) -> None:
        """Wait until ``number`` steps are logged.

        Raises:
            TimeoutError: Fewer are logged after ``seconds``.
        """
        end = time.monotonic() + seconds
        while len(self.losses()) < number:
            if time.monotonic() > end or self.processes[0].poll() is not None:
                raise TimeoutError(f"{number} steps were not logged: {tail(self.logs[0])}")
            time.sleep(0.2)

    def has_ended(self) -> bool:
        """Return whether all processes that this job started itself have ended."""
        return all(process.poll() is not None for process in self.processes)

    def all_pids(self) -> list[int]:
        """Return the ids of all processes of the run."""
        return [pid for p in self.processes for pid in (p.pid, *descendants(p.pid))]

    def losses(self) -> list[float]:
        """Return the losses logged so far."""
        file = self.folder / "metrics.csv"
        if not file.exists():
            return []
        with file.open() as stream:
            rows = list(csv.DictReader(stream))
        return [float(row["train/loss"]) for row in rows if row.get("train/loss")]


def tail(log: Path) -> str:
    """Return the end of a log in one line."""
    return " ".join(log.read_text(errors="replace").split())[-300:]


def is_running(pid: int) -> bool:
    """Return whether a process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def job_options(stage: Stage) -> list[str]:
    """Return overrides of a float64 run whose losses do not depend on the number of processes."""
    network = SMALL_NETWORK if stage.is_rehearsal else ["backbone=r34"]
    size, crop = (64, 96) if stage.is_rehearsal else (128, 128)
    batch = 4 * stage.num_gpus  # divisible among one, two and all processes
    data = [*SMALL_DATA, f"data.source.num_train={2 * batch}", "track=ori"]
    data += [f"paths.demo={stage.folder / 'small'}"]
    data += [f"data.input_size={size}", f"data.crop_sizes=[{crop}]", f"data.batch_size={batch}"]
    recipe = ["recipe.norm_samples=0", "scheduler=none", "~optimizer.betas"]
    recipe += ["optimizer={_target_: torch.optim.SGD, _partial_: true, lr: 0.01}"]
    run = [f"trainer.accelerator={stage.accelerator}", "trainer.precision=64-true", "logger=csv"]
    run += ["trainer.log_every_n_steps=1", "trainer.limit_val_batches=0", "test=false"]
    if not stage.is_rehearsal:  # there, tests/synchronized does it
        run += ["trainer.sync_batchnorm=true"]
    run += ["~callbacks.best", "~callbacks.previews", "~callbacks.result", "~callbacks.table"]
    return [*network, "backbone.pretrained=false", *data, *recipe, *run]
