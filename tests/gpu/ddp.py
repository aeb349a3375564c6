"""Stage 6: several processes train like one, save, resume, and end together."""

import os
import signal
import time
from contextlib import suppress

import torch

from tests.gpu.jobs import ONE_RANK, PLAIN, TWO_NODES, Job, is_running, job_options, tail
from tests.gpu.stage import Stage

_STEPS = 4
_LIMIT = 150.0  # seconds of one job
_END = 15.0  # seconds in which all processes must end
_TOLERANCE = 1e-3  # relative; losses are computed in float32, with TF32
_RAISING = "+callbacks.fault={_target_: tests.gpu.jobs.RaiseOnFirst}"


def run(stage: Stage) -> None:
    """Compare losses, then interrupt runs."""
    shared, short = job_options(stage), [f"trainer.max_steps={_STEPS}", "trainer.max_epochs=100"]
    truth: list[float] = []
    with stage.part("one process"), Job(stage, "alone", [*shared, *short, *PLAIN]) as job:
        truth = job.finish(_LIMIT).losses()
    backend = "gloo" if stage.is_rehearsal else "NCCL"
    variants = {f"one rank of {backend}": (ONE_RANK, 1), "two ranks of gloo": (TWO_NODES, 2)}
    if stage.num_gpus > 1 and not stage.is_rehearsal:
        many = ["trainer.strategy=ddp", f"trainer.devices={stage.num_gpus}"]
        variants = {f"{stage.num_gpus} ranks of NCCL": (many, 1), **variants}
    for name, (own, num_nodes) in variants.items():
        if stage.has_time(name, 20):
            with stage.part(name):
                _compare(stage, name, [*shared, *short, *own], num_nodes, truth)
    for name, (own, num_nodes) in variants.items():
        if "one rank" not in name and stage.has_time(f"{name}: error on rank 0", 30):
            with stage.part(f"{name}: error on rank 0"):
                _raise(stage, name, [*shared, *short, *own, _RAISING], num_nodes)
    if stage.has_time("SIGTERM and resume", 30):
        with stage.part("SIGTERM and resume"):
            _terminate(stage, [*shared, "trainer.max_epochs=10000", *ONE_RANK])


def _compare(
    stage: Stage, name: str, options: list[str], num_nodes: int, truth: list[float]
) -> None:
    """Record how much the losses differ from those of one process."""
    with Job(stage, name.replace(" ", "_"), options, num_nodes) as job:
        losses = job.finish(_LIMIT).losses()
    stage.equal(f"{name}: steps", len(losses), len(truth) or _STEPS)
    pairs = list(zip(losses, truth, strict=False))
    worst = max((abs(a - b) / abs(b) for a, b in pairs), default=float("nan"))
    stage.at_most(f"{name}: losses against one process, relative", worst, _TOLERANCE)


def _raise(stage: Stage, name: str, options: list[str], num_nodes: int) -> None:
    """Record the seconds until all processes have ended after rank zero has raised."""
    with Job(stage, f"raise_{num_nodes}_{stage.num_gpus}", options, num_nodes) as job:
        end, pids = time.monotonic() + _LIMIT, set(job.all_pids())
        while not _has_raised(job) and not job.has_ended() and time.monotonic() < end:
            pids |= set(job.all_pids())
            time.sleep(0.3)
        if not _has_raised(job):
            raise TimeoutError(f"rank zero did not raise: {tail(job.logs[0])}")
        start = time.monotonic()
        while time.monotonic() < start + 4 * _END and any(map(is_running, pids)):
            for process in job.processes:
                process.poll()  # otherwise they remain zombies
            time.sleep(0.2)
        seconds = time.monotonic() - start
        left = list(filter(is_running, pids))
        for pid in left:  # they would keep their GPUs
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        note = f"{len(left)} processes left"
    stage.at_most(f"{name}: all end after an error on rank 0", seconds, _END, "s", note)


def _has_raised(job: Job) -> bool:
    return "raised on purpose" in job.logs[0].read_text(errors="replace")


def _terminate(stage: Stage, options: list[str]) -> None:
    """Interrupt a run by SIGTERM, then resume it."""
    with Job(stage, "terminated", options) as job:
        job.wait_for_steps(2, _LIMIT)
        job.processes[0].terminate()
        stage.equal("exit status after SIGTERM", job.wait(60)[0], 75)
        folder = job.folder
    last = folder / "checkpoints/last.ckpt"
    done = torch.load(last, weights_only=True, map_location="cpu")["global_step"]
    more = [f"ckpt_path={folder}", f"trainer.max_steps={done + 2}"]
    with Job(stage, "terminated", more) as job:
        job.finish(_LIMIT)
    reached = torch.load(last, weights_only=True, map_location="cpu")["global_step"]
    stage.equal("steps after the resumed run, beyond those saved", reached - done, 2)
