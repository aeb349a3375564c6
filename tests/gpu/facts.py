"""Stage 1: the machine."""

import os
import platform
import shutil
import subprocess

import torch

from gfm.models.precision import choose_precision
from gfm.system.cores import num_cores
from tests.gpu.stage import Stage


def run(stage: Stage) -> None:
    """Record the card, its driver and libraries, cores and shared memory."""
    if stage.is_rehearsal:
        stage.skip("card and NCCL", "no GPU")
    else:
        with stage.part("card and NCCL"):
            _card(stage)
    stage.measured("torch", torch.__version__, note=f"Python {platform.python_version()}")
    stage.measured("cuDNN", str(torch.backends.cudnn.version()))
    by_affinity = f"{len(os.sched_getaffinity(0))} by affinity, before the quotas of cgroups"
    stage.measured("cores", num_cores(), note=by_affinity)
    with stage.part("/dev/shm"):
        free = shutil.disk_usage("/dev/shm").free / 2**30
        # Eight workers, with four batches each of 32 samples of 320×320×12 bytes.
        least = 0.05 if stage.is_rehearsal else 1.2
        note = "containers: set a larger --shm-size"
        stage.at_least("/dev/shm", free, least, "GiB free", note)
    precision, reason = choose_precision(stage.device)
    stage.measured("trainer.precision=auto", precision, note=reason)
    with stage.part("product of matrices"):
        a, b = torch.rand(2, 256, 256, dtype=torch.float64)
        off = (a.to(stage.device) @ b.to(stage.device)).cpu() - a @ b
        stage.at_most("product of matrices, GPU - CPU", off.abs().max().item(), 1e-10)


def _card(stage: Stage) -> None:
    card = torch.cuda.get_device_properties(0)
    text = f"{card.multi_processor_count} multiprocessors, sm_{card.major}{card.minor}"
    stage.measured("card", card.name, note=text)
    stage.measured("memory", card.total_memory / 2**30, "GiB")
    stage.measured("cards", torch.cuda.device_count())
    stage.measured("MIG", "yes" if "MIG" in _nvidia_smi("-L") else "no")
    query = "driver_version,power.limit,clocks.max.sm,temperature.gpu"
    stage.measured(query, _nvidia_smi(f"--query-gpu={query}", "--format=csv,noheader") or "unknown")
    stage.measured("NCCL", ".".join(map(str, torch.cuda.nccl.version())))


def _nvidia_smi(*arguments: str) -> str:
    """Return the output of nvidia-smi; empty if it cannot be run."""
    try:
        done = subprocess.run(
            ["nvidia-smi", *arguments], capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return " / ".join(done.stdout.split("\n")).strip(" /")
