"""Ranks of distributed processes."""

import os
from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")

# torch is imported inside functions, so that the file tools start faster.


def rank_and_world() -> tuple[int, int]:
    """Return the rank of this process and the number of processes; (0, 1) when not distributed."""
    import torch.distributed as dist

    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def all_gather_dict(own: Mapping[str, T]) -> dict[str, T]:
    """Merge the dictionaries of all ranks, which must all call this; later ranks win."""
    import torch.distributed as dist

    shares = [own] * rank_and_world()[1]
    if len(shares) > 1:
        dist.all_gather_object(shares, own)
    return {name: value for share in shares for name, value in share.items()}


def from_rank_zero(own: T) -> T:
    """Return the object that rank zero passes; all ranks must call this."""
    import torch.distributed as dist

    objects = [own]
    if rank_and_world()[1] > 1:
        dist.broadcast_object_list(objects)
    return objects[0]


def is_global_zero() -> bool:
    """Return whether this process has global rank zero, even before the process group exists.

    Reads the environment variables that torchrun, Lightning, SLURM and LSF set.
    """
    # In Lightning's order: the processes it starts in an interactive job inherit SLURM_PROCID.
    names = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")
    rank = next((int(os.environ[n]) for n in names if n in os.environ), 0)
    return rank == 0 and _node_rank() == 0


def _node_rank() -> int:
    """Return the rank of this machine, which the user sets if no launcher does."""
    return int(os.environ.get("NODE_RANK", os.environ.get("GROUP_RANK", 0)))


def creates_processes_externally() -> bool:
    """Return whether torchrun, SLURM, LSF or the user started several processes at once.

    In that case no process knows another's run folder.
    """
    by_torchrun = "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ["WORLD_SIZE"]) > 1
    by_lsf = int(os.environ.get("JSM_NAMESPACE_SIZE", 1)) > 1
    is_interactive = os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive")
    by_slurm = int(os.environ.get("SLURM_NTASKS", 1)) > 1 and not is_interactive
    return by_torchrun or by_lsf or by_slurm or _node_rank() > 0
