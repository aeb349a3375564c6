"""Numbers of available cores and of loader processes."""

import os
import re
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from gfm.system.ranks import is_global_zero

_MOST_LOADERS: Final = 32  # more would mainly cost memory
_PROC: Final = Path("/proc/self/cgroup")
_CGROUPS: Final = Path("/sys/fs/cgroup")


def num_cores() -> int:
    """Return how many cores CPU affinity and cgroup quotas let this process use; at least 1."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, int(min([cores, *_quotas()])))


def cores_per_process(num_processes: int) -> int:
    """Return the number of cores for each process of a run on this machine.

    SLURM may already have bound this process to its share of the job's cores.
    """
    cores = num_cores()
    of_job = int(os.environ.get("SLURM_CPUS_ON_NODE", cores))
    return max(1, min(cores, max(cores, of_job) // num_processes))


def num_loaders(batch_bytes: int, num_processes: int = 1) -> int:
    """Return how many loader processes to start: the cores minus one, from 1 to 32.

    Loaders pass batches through /dev/shm, which containers often limit to 64 MB. If the batches
    do not fit, fewer loaders are started, or none. Four batches are reckoned for each loader: two
    prefetched, and others that are being copied or in use.

    Args:
        batch_bytes: Size in bytes of the total batch over all processes.
        num_processes: Number of processes of the run on this machine, which share its cores.
    """
    wanted = min(_MOST_LOADERS, max(1, cores_per_process(num_processes) - 1))
    try:
        free = shutil.disk_usage("/dev/shm").free
    except OSError:  # not Linux
        return wanted
    fitting = min(wanted, free // (4 * batch_bytes))
    if fitting < wanted and is_global_zero():
        text = f"/dev/shm has room for {fitting} of {wanted} loader processes"
        warnings.warn(f"{text}: start the container with a larger --shm-size", stacklevel=2)
    return fitting


def _quotas() -> Iterator[float]:
    """Yield the CPU quotas, in cores, of the cgroups of this process and of their parents."""
    for line in _read(_PROC).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        # In a container, the path may be the host's, while only the container's root is mounted.
        mounts = [_CGROUPS / controllers, _CGROUPS / "cpu"] if controllers else [_CGROUPS]
        for folder in (PurePosixPath(path), *PurePosixPath(path).parents):
            for mount in mounts:
                yield from _quota(mount / str(folder).lstrip("/"))


def _quota(cgroup: Path) -> Iterator[float]:
    """Yield the quota of a cgroup (v2 or v1), in cores, if it has one."""
    both = _read(cgroup / "cpu.max") or " ".join(
        _read(cgroup / f"cpu.cfs_{name}_us") for name in ("quota", "period")
    )
    if found := re.fullmatch(r"(\d+)\s+(\d+)", both.strip()):  # without a quota: max, or -1
        quota, period = map(int, found.groups())
        if quota and period:
            yield quota / period


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
