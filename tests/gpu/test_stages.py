"""Parts of stages that a rehearsal does not reach."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.autograd import DeviceType

from gfm.data.layout import Roots
from gfm.system import cores
from tests.gpu import clock, loader, stage
from tests.gpu.stage import Stage
from tests.gpu.throughput import variants


@pytest.fixture
def on_gpu(tmp_path) -> Stage:
    return Stage("made_up", "cuda", 100, tmp_path / "made_up.jsonl", tmp_path)


def kernel(name: str, start: float, end: float) -> SimpleNamespace:
    time_range = SimpleNamespace(start=start, end=end)
    return SimpleNamespace(name=name, device_type=DeviceType.CUDA, time_range=time_range)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([kernel("b", 5, 15), kernel("a", 0, 10), kernel("Memcpy HtoD", 20, 25)], (2, 20e-6)),
        ([], (0, None)),  # without CUPTI
    ],
)
def test_the_time_in_which_any_kernel_runs(monkeypatch, events, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert clock._count(SimpleNamespace(events=lambda: events)) == expected


@pytest.mark.parametrize("half", ["bf16", "16"])
def test_half_precision_that_a_gpu_would_emulate_is_not_measured(monkeypatch, on_gpu, half):
    monkeypatch.setattr(stage, "choose_precision", lambda device: (f"{half}-mixed", ""))
    first, *others = variants(on_gpu.half)
    assert first == f"{half}-mixed"
    assert len(others) == (5 if half == "bf16" else 4)
    assert ("bf16" in str(others)) == (half == "bf16")


@pytest.mark.parametrize(("shared", "expected"), [(2**31, [13, 2]), (2**26, [0, 0])])
def test_no_more_workers_are_measured_than_runs_start(monkeypatch, on_gpu, shared, expected):
    monkeypatch.setattr(cores, "num_cores", lambda: 64)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=shared))
    roots = Roots(Path("photos"), Path("backgrounds"))
    with pytest.warns(UserWarning, match="shm"):
        most = [loader._most_workers(on_gpu, roots, place) for place in ("workers", "device")]
    assert most == expected
