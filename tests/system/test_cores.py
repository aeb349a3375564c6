"""Cores and loader processes depend on affinity, cgroup quotas, processes, and shared memory."""

import os
import shutil
from types import SimpleNamespace

import pytest

from gfm.system import cores

BATCH = 32 * 320**2 * 12  # the paper's, 39 MB


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Simulate 64 cores and much shared memory; return a function that writes cgroup files."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(64), raising=False)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=64 << 30))
    monkeypatch.setattr(cores, "_PROC", tmp_path / "cgroup")
    monkeypatch.setattr(cores, "_CGROUPS", tmp_path / "sys")
    monkeypatch.delenv("SLURM_CPUS_ON_NODE", raising=False)

    def write(of_process: str, **files: str) -> None:
        (tmp_path / "cgroup").write_text(of_process)
        for name, content in files.items():
            path = tmp_path / "sys" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)

    return write


V1 = "11:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n0::/\n"


@pytest.mark.parametrize(
    ("of_process", "files", "expected"),
    [
        ("", {}, 64),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 64),
        ("0::/\n", {"cpu.max": "250000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),  # half a core
        ("0::/\n", {"cpu.max": "9900000 100000\n"}, 64),  # more than there are
        ("0::/job/step\n", {"job/cpu.max": "400000 100000\n", "job/step/cpu.max": "max 1"}, 4),
        ("0::/on/the/host\n", {"cpu.max": "300000 100000\n"}, 3),
        (V1, {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 64),
        (V1, {"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        (
            V1,
            {
                "cpu,cpuacct/docker/1/cpu.cfs_quota_us": "600000\n",
                "cpu,cpuacct/docker/1/cpu.cfs_period_us": "100000\n",
            },
            6,
        ),
        (V1, {"memory/cpu.max": "100000 100000\n"}, 64),
    ],
)
def test_quotas(machine, of_process, files, expected):
    machine(of_process, **files)
    assert cores.num_cores() == expected


@pytest.mark.parametrize(
    ("num_processes", "bound_to", "of_job", "expected"),
    [
        (1, 64, None, 32),  # at most
        (4, 64, None, 15),
        (8, 64, None, 7),
        (64, 64, None, 1),
        (100, 64, None, 1),  # at least
        (8, 8, "64", 7),  # SLURM has bound each process to its own cores
        (8, 64, "64", 7),  # SLURM without binding
        (1, 1, None, 1),
    ],
)
def test_loaders(machine, monkeypatch, num_processes, bound_to, of_job, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(bound_to), raising=False)
    if of_job:
        monkeypatch.setenv("SLURM_CPUS_ON_NODE", of_job)
    assert cores.num_loaders(BATCH, num_processes) == expected


@pytest.mark.parametrize(("free", "expected"), [(64 << 20, 0), (200 << 20, 1), (64 << 30, 3)])
def test_loaders_fit_into_shared_memory(machine, monkeypatch, free, expected):
    monkeypatch.setattr(cores, "num_cores", lambda: 4)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    if expected == 3:
        assert cores.num_loaders(BATCH) == 3
        return
    with pytest.warns(UserWarning, match=f"room for {expected} of 3 .* larger --shm-size"):
        assert cores.num_loaders(BATCH) == expected


def test_systems_without_dev_shm(machine, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: os.stat("/nowhere"))
    assert cores.num_loaders(BATCH, 8) == 7
