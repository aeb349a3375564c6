"""Effect of each option on a whole training step, relative to plain float32.

Run: python -m tests.benchmarks training [--networks r34 d121] [--size 320] [--batch 8]
                                         [--variants compile=true ...] [--loader data=demo]

Each variant is an override as for train.py, or several separated by spaces, and runs as in
train.py, in a separate process: batch to float, forward pass, losses, backward pass, update.
Batches are ready in memory. The plain step runs first and last, to show how much the machine's
speed drifts. The official order of work uses float32 in torch's default memory format, and a
Laplacian pyramid for each picture.

Time: of one batch after the first update; on a GPU the mean of several, on a CPU the best CPU time
of one thread, which depends little on other work. torch.compile takes minutes on a CPU, so there it
runs only if --variants names it.

Memory: the peak of all updates but the first: weights, gradients, optimiser state, activations. On
a GPU, this is torch's peak; on a CPU, it is the growth of the process since before the network was
built, so the compiler counts, too.

On a CPU, the operators that take most of the time of a step are listed for each variant.

--loader: one more run with these overrides for the data, which reports the share of time that
training waits for data; the default on a GPU is data=demo.
"""

import argparse
import contextlib
import io
import json
import math
import subprocess
import sys
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from gfm.compat.hydra import instantiate
from gfm.models.gfm import GFM
from gfm.system.startup import prepare_process
from tests.benchmarks.measure import DEVICE, clock, peak_mebibytes, reset_peak
from tests.benchmarks.networks import model_node
from tests.benchmarks.official_step import OfficialStep
from tests.benchmarks.ready import ReadyBatches, Stopwatch, find, run, watched

PLAIN = "plain float32"
OFFICIAL = "official order of work"
VARIANTS = [
    "trainer.precision=bf16-mixed",
    "trainer.precision=16-mixed",
    "backbone.channels_last=true",
    "compile=true",
    "backbone.activation_checkpointing=true",
    "trainer.accumulate_grad_batches=2",
    "trainer.gradient_clip_val=1",
    "callbacks=ema",
]
NOT_ON_A_CPU = {
    "trainer.precision=16-mixed": "float16 autocast needs a GPU",
    "compile=true": "compiling takes minutes on a CPU; --variants compile=true runs it",
}
# Removed, so that only callbacks that take part in every step remain.
SILENT = ["best", "last", "end", "norms", "curves", "summary", "progress", "lines"]
SILENT += ["skipped", "previews", "table", "result", "estimate", "flat"]


def overrides(network: str, size: int, batch: int) -> list[str]:
    """Return the overrides that all variants share."""
    # The demo's recipe has narrower decoders and, on some machines, a different precision.
    own = ["recipe=am2k", f"backbone={network}", "backbone.pretrained=false"]
    own += [f"data.input_size={size}", f"data.batch_size={batch}"]
    run = ["trainer.max_epochs=1000", "trainer.limit_val_batches=0", "logger=none", "test=false"]
    run += ["trainer.enable_progress_bar=false", "trainer.enable_model_summary=false"]
    return [*own, *run, *(f"~callbacks.{name}" for name in SILENT)]


def measure(
    chosen: list[str], updates: int, seconds: float, is_ready: bool = True
) -> dict[str, Any]:
    """Train in this process; return seconds per batch, peak MiB, share of waiting, and operators.

    With ``is_ready``, batches need no loading.
    """
    prepare_process()
    reset_peak()
    base = peak_mebibytes()
    chosen = [*chosen, watched(Stopwatch, updates=updates, seconds=seconds)]
    with contextlib.redirect_stdout(io.StringIO()):
        watch = find(run(chosen, ReadyBatches if is_ready else None), Stopwatch)
    wait = float(torch.stack(watch.waits).mean()) if watch.waits else float("nan")
    times = {"seconds": min(watch.seconds), "peak": watch.peak - base, "wait": wait}
    return {**times, "operators": watch.operators}


def measure_official(
    network: str, batch: int, size: int, updates: int, budget: float, **options: Any
) -> dict[str, float]:
    """Measure the official step in this process; return seconds per batch and peak MiB.

    ``options`` are those of the network.
    """
    reset_peak()
    base = peak_mebibytes()
    with torch.device(DEVICE):
        model: GFM = instantiate(model_node(network, **options)).train()
    step = OfficialStep(model, batch, size, DEVICE)
    for _ in range(1 if DEVICE == "cpu" else 3):
        step()
    reset_peak()
    seconds: list[float] = []
    while len(seconds) < updates and sum(seconds) < budget:
        start = clock()
        step()
        seconds.append(clock() - start)
    time = min(seconds) if DEVICE == "cpu" else sum(seconds) / len(seconds)  # as for our step
    return {"seconds": time, "peak": peak_mebibytes() - base}


MEASURES = {"ours": measure, "official": measure_official}


def measure_apart(arguments: argparse.Namespace, *task: Any) -> dict[str, Any]:
    """Measure in a separate process; ``task`` is a key of ``MEASURES``, then its arguments."""
    command = [sys.executable, "-m", "tests.benchmarks", "training"]
    command += ["--threads", str(arguments.threads), "--measure", json.dumps(task)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def print_network(network: str, arguments: argparse.Namespace) -> None:
    """Print a line for each variant, and how much the plain step drifted."""
    shared = overrides(network, arguments.size, arguments.batch)
    order = [PLAIN, OFFICIAL, *arguments.variants, PLAIN]
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in order}
    for _ in range(arguments.rounds):
        for name in order:
            task: list[Any] = ["ours", [*shared, *([] if name == PLAIN else name.split())]]
            if name == OFFICIAL:
                task = ["official", network, arguments.batch, arguments.size]
            budget = arguments.updates, arguments.seconds
            runs[name].append(measure_apart(arguments, *task, *budget))
    table = Table(title=f"{network}, {arguments.batch}x3x{arguments.size}x{arguments.size}")
    table.add_column("", no_wrap=True)
    for column in ("ms/batch", "batches/s", "speed", "peak MiB", "memory"):
        table.add_column(column, justify="right")
    best = {name: min(run["seconds"] for run in own) for name, own in runs.items()}
    peaks = {name: min(run["peak"] for run in own) for name, own in runs.items()}
    for name in runs:
        cells = f"{1000 * best[name]:.0f}", f"{1 / best[name]:.2f}"
        cells += f"{best[PLAIN] / best[name]:.2f}x", f"{peaks[name]:.0f}"
        table.add_row(name, *cells, f"{peaks[name] / peaks[PLAIN]:.2f}x")
    Console(width=110).print(table)
    plain = ", ".join(f"{1000 * run['seconds']:.0f}" for run in runs[PLAIN])
    print(f"plain runs, first to last: {plain} ms")
    for name, own in runs.items():
        if operators := own[-1].get("operators"):
            print(f"{name}: {operators}")
    if arguments.loader:
        budget = arguments.updates, arguments.seconds
        task = ["ours", [*shared, *arguments.loader], *budget, False]
        wait = measure_apart(arguments, *task)["wait"]
        share = (
            "not measured, because no step logged it" if math.isnan(wait) else f"{100 * wait:.0f} %"
        )
        print(f"time without data, with {' '.join(arguments.loader)}: {share}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser("bench_training", description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="*", default=["r34", "d121"])
    parser.add_argument("--size", type=int, default=96, help="side of the images in pixels")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1, help="runs of each variant")
    updates = 3 if DEVICE == "cpu" else 30  # a GPU logs every tenth step
    parser.add_argument("--updates", type=int, default=updates, help="timed in each run")
    parser.add_argument("--seconds", type=float, default=4, help="after which a run times no more")
    parser.add_argument("--variants", nargs="*", help="overrides of train.py")
    parser.add_argument("--skip", nargs="*", default=[], help="variants to leave out")
    loader = ["data=demo"] if DEVICE == "cuda" else []
    parser.add_argument("--loader", nargs="*", default=loader, help="overrides for the data")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    return parser.parse_args()


def choose(arguments: argparse.Namespace) -> list[str]:
    """Return the variants to run, and print why others are left out."""
    chosen = []
    for variant in arguments.variants or VARIANTS:
        reason = NOT_ON_A_CPU.get(variant) if DEVICE == "cpu" else None
        if reason and not (arguments.variants and variant == "compile=true"):
            print(f"skipped {variant}: {reason}")
        elif variant not in arguments.skip:
            chosen.append(variant)
    return chosen


def main() -> None:
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    if arguments.measure:
        name, *task = json.loads(arguments.measure)
        print(json.dumps(MEASURES[name](*task)))
        return
    print(f"torch {torch.__version__} on {DEVICE}, {arguments.threads} threads")
    arguments.variants = choose(arguments)
    for network in arguments.networks:
        print_network(network, arguments)


if __name__ == "__main__":
    main()
