"""Measures the steps of a run without synchronising in each."""

import time
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

from tests.benchmarks.measure import peak_mebibytes, reset_peak

_PROFILED = 3  # steps


class StepClock(pl.Callback):
    """Times many steps together, because a GPU runs asynchronously; then profiles a few.

    Attributes:
        seconds: Seconds per step.
        launches: Kernels launched per step; on a CPU, operations.
        busy: Share of a step's time in which kernels run; ``None`` if the profiler sees none.
        peak: Peak memory in MiB.
        wait: Mean of the waits that :class:`gfm.training.callbacks.Pace` logged meanwhile.

    Args:
        warmup: Steps that are not timed.
        steps: Steps that are timed.
        budget: Seconds after which no further step is timed.
    """

    def __init__(self, warmup: int, steps: int, budget: float) -> None:
        self.warmup, self.steps, self.budget = warmup, steps, budget
        self.seconds = self.peak = float("nan")
        self.launches = 0.0
        self.busy: float | None = None
        self.wait = float("nan")
        self.waits: list[torch.Tensor] = []  # on the GPU; reading one in a step would synchronise
        self.count = 0
        self.begin = 0.0
        self.profiler: profile | None = None
        self.profiled_from = 0

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """Begin or end a measurement before the step."""
        timed = self.count - self.warmup
        if timed == 0:
            synchronize()
            reset_peak()
            self.begin = time.perf_counter()
        elif self.profiler is None and timed > 0 and self._is_over(timed):
            synchronize()
            self.seconds = (time.perf_counter() - self.begin) / timed
            self.peak = peak_mebibytes()
            if self.waits:
                self.wait = float(torch.stack(self.waits).mean())
            self.profiler = _make_profiler()
            self.profiler.__enter__()
            self.profiled_from = self.count
        self.count += 1

    def _is_over(self, timed: int) -> bool:
        return timed >= self.steps or time.perf_counter() - self.begin > self.budget

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Store the logged wait; end the run once enough steps are profiled."""
        values = trainer.callback_metrics
        if self.profiler is None and self.count > self.warmup and "train/data_wait" in values:
            self.waits.append(values["train/data_wait"])
        if self.profiler is not None and self.count - self.profiled_from == _PROFILED:
            synchronize()
            self.profiler.__exit__(None, None, None)
            launches, busy = _count(self.profiler)
            self.launches = launches / _PROFILED
            if busy is not None:
                self.busy = min(1.0, busy / _PROFILED / self.seconds)
            trainer.should_stop = True


def synchronize() -> None:
    """Wait for the GPU."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _make_profiler() -> profile:
    activities = [ProfilerActivity.CPU]
    if torch.cuda.is_available():
        activities = [ProfilerActivity.CUDA]
    return profile(activities=activities, acc_events=True)


def _count(profiler: profile) -> tuple[int, float | None]:
    """Return the number of kernels (on a CPU, operations) and the seconds in which any ran.

    Without CUPTI, or while another profiler uses it, no kernel is seen, and the seconds are None.
    """
    events = profiler.events() or []
    kernels = [
        e
        for e in events
        if e.device_type == DeviceType.CUDA and not getattr(e, "is_user_annotation", False)
    ]
    if not torch.cuda.is_available():
        return len(events), None
    busy, end = 0.0, 0.0
    for event in sorted(kernels, key=lambda e: e.time_range.start):
        busy += max(0.0, event.time_range.end - max(end, event.time_range.start))
        end = max(end, event.time_range.end)
    launches = [e for e in kernels if not e.name.startswith(("Memcpy", "Memset"))]
    return len(launches), busy / 1e6 if kernels else None


def busy_seconds(work: Callable[[], object]) -> float | None:
    """Return the seconds in which kernels run during ``work``; ``None`` if none are seen."""
    with _make_profiler() as profiler:
        work()
        synchronize()
    return _count(profiler)[1]


class ReadCounter(TorchDispatchMode):
    """Counts operations that read a tensor's values, which on a GPU would synchronise."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation."""
        name = func.overloadpacket.__name__
        # Integers are counters, which stay on the CPU even if the network is on a GPU.
        is_read = name == "_local_scalar_dense" and args[0].is_floating_point()
        self.count += is_read or name in ("nonzero", "equal", "masked_select")
        return func(*args, **(kwargs or {}))
