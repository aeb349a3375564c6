"""What benchmarks measure with: processor or wall-clock time, and memory at its peak."""

import time
from collections.abc import Callable
from pathlib import Path

import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def clock() -> float:
    """Seconds: of the processor on a CPU, which a busy machine changes little, else of the wall."""
    if DEVICE == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def best_seconds(functions: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Of rounds that run all of them in turn, after one that does not count."""
    best = dict.fromkeys(functions, float("inf"))
    for round_ in range(rounds + 1):
        for name, function in functions.items():
            start = clock()
            function()
            if round_:
                best[name] = min(best[name], clock() - start)
    return best


def reset_peak() -> None:
    """Forgets the peak so far."""
    if DEVICE == "cuda":
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")


def peak_mebibytes() -> float:
    """Most memory held since the last reset: of torch on a GPU, else of the process."""
    if DEVICE == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    # Not getrusage's ru_maxrss: a process starts with that of the one that started it.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**10
