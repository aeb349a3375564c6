"""Measurements for benchmarks: CPU or wall-clock time, and peak memory."""

import contextlib
import ctypes
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch.profiler import profile

from gfm.system.memory import MMAP_THRESHOLD, TRIM_THRESHOLD

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def clock(waits: bool = True) -> float:
    """Return seconds: on a CPU device, the CPU time, which depends little on other work.

    On a GPU, this is wall-clock time, read after waiting for the GPU unless ``waits`` is false.
    """
    if DEVICE == "cpu":
        return time.process_time()
    if waits:
        torch.cuda.synchronize()
    return time.perf_counter()


def best_seconds(
    functions: Mapping[str, Callable[[], object]], rounds: int, repeats: int = 1
) -> dict[str, float]:
    """Return the best time of each function, over rounds of all in turn, after a warm-up round.

    In each round, every function runs ``repeats`` times, because the first run may have to map its
    memory.
    """
    best = dict.fromkeys(functions, float("inf"))
    for round_ in range(rounds + 1):
        for name, function in ((n, f) for n, f in functions.items() for _ in range(repeats)):
            start = clock()
            function()
            if round_:
                best[name] = min(best[name], clock() - start)
    return best


def return_freed_memory() -> None:
    """Undo ``keep_freed_memory``: set the thresholds that glibc reaches with large blocks."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(MMAP_THRESHOLD, 32 << 20)
        libc.mallopt(TRIM_THRESHOLD, 64 << 20)


def format_profile(profiler: profile, count: int = 7) -> str:
    """Format the operators that took most of the CPU time, as percentages of the total."""
    times = {
        event.key.removeprefix("aten::"): event.self_cpu_time_total
        for event in profiler.key_averages()
        if event.key.startswith("aten::")
    }
    total = sum(times.values())
    largest = sorted(times, key=times.__getitem__, reverse=True)[:count]
    return ", ".join(f"{name} {100 * times[name] / total:.0f} %" for name in largest)


def reset_peak(device: str = DEVICE) -> None:
    """Forget the peak so far."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")


def peak_mebibytes(device: str = DEVICE) -> float:
    """Return the peak memory since the last reset: torch's on a GPU, else that of the process."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    # Not getrusage's ru_maxrss, because a process inherits that of its parent.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**10
