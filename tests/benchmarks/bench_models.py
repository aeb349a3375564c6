"""What each option for speed or memory does to a network, beside plain eager float32.

Run: python -m tests.benchmarks models [--networks r34 d121] [--size 320] [--batch 4] [--compile]

Time: a training step (forward and backward pass) and a forward pass of the same network with
bfloat16 autocast, channels last, torch.compile and checkpointing. All variants run in turn; the
best of their times counts, on a CPU that of one thread on the processor, which a busy machine
changes little. torch.compile takes minutes on a CPU, and is left out of the training step there
unless --compile asks for it.

Memory: what a training step takes at its peak beyond weights and gradients, each in a process of
its own: of the process on a CPU (as Linux counts it), of torch on a GPU. ``--memory-size 320
--memory-batch 4`` are the figures of docs/models.md.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from gfm.build import build
from gfm.models.gfm import GFM
from tests.benchmarks.networks import model_node

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
clock = time.perf_counter if DEVICE == "cuda" else time.process_time
EAGER = "eager float32"
OPTIONS: dict[str, dict[str, Any]] = {
    EAGER: {},
    "bf16 autocast": {},
    "channels_last": {"channels_last": True},
    "torch.compile": {},
    "checkpointing": {"checkpointing": True},
}


def make(network: str, variant: str) -> GFM:
    torch.manual_seed(0)
    with torch.device(DEVICE):
        model: GFM = build(model_node(network, **OPTIONS[variant]))
    if variant == "torch.compile":
        model.compile()
    return model


def run(model: GFM, variant: str, image: torch.Tensor, is_training: bool) -> None:
    """One training step without its update, or one forward pass."""
    with (
        torch.set_grad_enabled(is_training),
        torch.autocast(DEVICE, torch.bfloat16, enabled=variant == "bf16 autocast"),
    ):
        branch = next(iter(model(image).branches.values()))
        loss = branch.glance.float().square().mean() + branch.focus.mean()
    if is_training:
        loss.backward()
    if DEVICE == "cuda":
        torch.cuda.synchronize()


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


def time_network(network: str, arguments: argparse.Namespace) -> None:
    image = torch.rand(arguments.batch, 3, arguments.size, arguments.size, device=DEVICE)
    models = {variant: make(network, variant) for variant in OPTIONS}
    columns: dict[str, dict[str, float]] = {}
    for column, is_training in (("training step", True), ("forward pass", False)):
        chosen = {
            name: lambda name=name, model=model, t=is_training: run(model, name, image, t)
            for name, model in models.items()
            if not (is_training and name == "torch.compile" and not arguments.compile)
            if not (not is_training and name == "checkpointing")
            if name not in arguments.skip
        }
        for model in models.values():
            model.train(is_training)
        columns[column] = best_seconds(chosen, arguments.rounds)
    table = Table(title=f"{network}, {arguments.batch}x3x{arguments.size}x{arguments.size}")
    table.add_column("")
    for column in columns:
        table.add_column(f"{column}, ms", justify="right")
        table.add_column("speed", justify="right")
    for variant in OPTIONS:
        cells: list[str] = []
        for seconds in columns.values():
            known = variant in seconds
            cells.append(f"{1000 * seconds[variant]:.0f}" if known else "")
            cells.append(f"{seconds[EAGER] / seconds[variant]:.2f}x" if known else "")
        table.add_row(variant, *cells)
    Console(width=100).print(table)


def peak_mebibytes() -> float:
    if DEVICE == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    # Not getrusage's ru_maxrss: a process starts with that of the one that started it.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**10


def peak_of_a_step(network: str, variant: str, size: int, batch: int) -> tuple[float, float]:
    """Peak memory in MiB beyond weights and gradients, and seconds, in this process."""
    model = make(network, variant)
    for parameter in model.parameters():  # written to, or the system would not hold them yet
        parameter.grad = torch.empty_like(parameter).fill_(0)
    image = torch.rand(batch, 3, size, size, device=DEVICE)
    base = peak_mebibytes()
    start = clock()
    run(model, variant, image, is_training=True)
    return peak_mebibytes() - base, clock() - start


def print_memory(arguments: argparse.Namespace) -> None:
    size, batch = arguments.memory_size, arguments.memory_batch
    table = Table(title=f"peak memory of a training step, {batch}x3x{size}x{size}")
    table.add_column("")
    for column in ("eager MiB", "checkpointing MiB", "memory", "eager s", "checkpointing s"):
        table.add_column(column, justify="right")
    for network in arguments.memory_networks:
        peaks = []
        for variant in (EAGER, "checkpointing"):
            own = ["--peak", network, variant, str(size), str(batch)]
            own += ["--threads", str(arguments.threads)]
            command = [sys.executable, "-m", "tests.benchmarks", "models", *own]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            peaks.append([float(value) for value in done.stdout.split()[-2:]])
        (eager, slow), (spared, slower) = peaks
        cells = f"{eager:.0f}", f"{spared:.0f}", f"{spared / eager:.2f}x"
        table.add_row(network, *cells, f"{slow:.1f}", f"{slower:.1f}")
    Console(width=100).print(table)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser("bench_models", description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="*", default=["r34"])
    parser.add_argument("--size", type=int, default=64, help="side of the images in pixels")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--compile", action="store_true", help="also the training step")
    parser.add_argument("--skip", nargs="*", default=[], choices=list(OPTIONS), help="variants")
    parser.add_argument("--memory-networks", nargs="*", default=["r34_2b", "r101"])
    parser.add_argument("--memory-size", type=int, default=96)
    parser.add_argument("--memory-batch", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--peak", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.compile |= DEVICE == "cuda"
    return arguments


def main() -> None:
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    if arguments.peak:
        network, variant, size, batch = arguments.peak
        print(*peak_of_a_step(network, variant, int(size), int(batch)))
        return
    print(f"torch {torch.__version__} on {DEVICE}, {arguments.threads} threads")
    for network in arguments.networks:
        time_network(network, arguments)
    print_memory(arguments)


if __name__ == "__main__":
    main()
