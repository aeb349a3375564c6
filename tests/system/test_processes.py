"""The number of loader processes follows the cores and the shared memory."""

import os
import shutil
from types import SimpleNamespace

import pytest

from gfm.system import processes

BATCH = 32 * 320**2 * 12  # of the paper, 39 MB


@pytest.mark.parametrize(("free", "expected"), [(64 << 20, 0), (200 << 20, 1), (64 << 30, 4)])
def test_loaders_fit_into_shared_memory(monkeypatch, free, expected):
    monkeypatch.setattr(processes, "num_cores", lambda: 4)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    if expected == 4:
        assert processes.num_loaders(BATCH) == 4
        return
    with pytest.warns(UserWarning, match=f"room for {expected} of 4 .* larger --shm-size"):
        assert processes.num_loaders(BATCH) == expected


def test_systems_without_dev_shm(monkeypatch):
    monkeypatch.setattr(processes, "num_cores", lambda: 64)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: os.stat("/nowhere"))
    assert processes.num_loaders(BATCH) == 8
