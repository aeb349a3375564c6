"""Which of the processes that work together this one is."""

import os


def rank_and_world() -> tuple[int, int]:
    """This process and how many there are."""
    import torch.distributed as dist  # here, since the file tools start without torch

    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def is_first() -> bool:
    """Whether this is the process that writes; known before the processes have met.

    Lightning, torchrun and SLURM each tell a process its rank.
    """
    # As Lightning asks: what it starts in an interactive job inherits the last.
    names = ("RANK", "LOCAL_RANK", "SLURM_PROCID")
    return next((int(os.environ[n]) for n in names if n in os.environ), 0) == 0


def came_together() -> bool:
    """Whether torchrun or srun started several of this process, none of which knows the others'
    folders.
    """
    by_torchrun = "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ["WORLD_SIZE"]) > 1
    is_interactive = os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive")
    return by_torchrun or (int(os.environ.get("SLURM_NTASKS", 1)) > 1 and not is_interactive)
