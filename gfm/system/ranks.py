"""Tells which of several cooperating processes this one is."""

import os
from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")


def rank_and_world() -> tuple[int, int]:
    """Return the rank of this process and the number of processes."""
    import torch.distributed as dist  # imported here so that the file tools start without torch

    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def merged(own: Mapping[str, T]) -> dict[str, T]:
    """Return the entries of all processes, which all have to call this."""
    import torch.distributed as dist

    shares = [own] * rank_and_world()[1]
    if len(shares) > 1:
        dist.all_gather_object(shares, own)
    return {name: value for share in shares for name, value in share.items()}


def is_global_zero() -> bool:
    """Return whether this is the process that writes; works before the processes have connected.

    Lightning, torchrun and SLURM each tell a process its rank.
    """
    # In this order, as Lightning does: its processes in an interactive job inherit the last one.
    names = ("RANK", "LOCAL_RANK", "SLURM_PROCID")
    return next((int(os.environ[n]) for n in names if n in os.environ), 0) == 0


def creates_processes_externally() -> bool:
    """Return whether torchrun or srun started several of this process at once.

    None of them knows the folders of the others then.
    """
    by_torchrun = "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ["WORLD_SIZE"]) > 1
    is_interactive = os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive")
    return by_torchrun or (int(os.environ.get("SLURM_NTASKS", 1)) > 1 and not is_interactive)
