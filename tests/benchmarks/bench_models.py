"""Effect of each speed option on a network's forward pass, relative to plain eager float32.

Run: python -m tests.benchmarks models [--networks r34 d121] [--size 320] [--batch 4]

The options are bfloat16 autocast, channels last and torch.compile. All variants run in turn, and
the best times count; on a CPU, this is the CPU time of one thread, which depends little on other
work. ``python -m tests.benchmarks training`` measures training.
"""

import argparse
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from gfm.compat.hydra import instantiate
from gfm.models.gfm import GFM
from tests.benchmarks.measure import DEVICE, best_seconds
from tests.benchmarks.networks import model_node

EAGER = "eager float32"
OPTIONS: dict[str, dict[str, Any]] = {
    EAGER: {},
    "bf16 autocast": {},
    "channels_last": {"channels_last": True},
    "torch.compile": {},
}


def make(network: str, variant: str) -> GFM:
    torch.manual_seed(0)
    with torch.device(DEVICE):
        model: GFM = instantiate(model_node(network, **OPTIONS[variant])).eval()
    if variant == "torch.compile":
        model.compile()
    return model


def run(model: GFM, variant: str, image: torch.Tensor) -> None:
    """Run one forward pass."""
    enabled = variant == "bf16 autocast"
    with torch.no_grad(), torch.autocast(DEVICE, torch.bfloat16, enabled=enabled):
        model(image)


def time_network(network: str, arguments: argparse.Namespace) -> None:
    image = torch.rand(arguments.batch, 3, arguments.size, arguments.size, device=DEVICE)
    variants = [name for name in OPTIONS if name not in arguments.skip]
    models = {name: make(network, name) for name in variants}
    functions = {
        name: lambda name=name, model=model: run(model, name, image)
        for name, model in models.items()
    }
    seconds = best_seconds(functions, arguments.rounds)
    table = Table(title=f"{network}, {arguments.batch}x3x{arguments.size}x{arguments.size}")
    table.add_column("")
    table.add_column("forward pass, ms", justify="right")
    table.add_column("speed", justify="right")
    for name, own in seconds.items():
        table.add_row(name, f"{1000 * own:.0f}", f"{seconds[EAGER] / own:.2f}x")
    Console(width=100).print(table)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser("bench_models", description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="*", default=["r34"])
    parser.add_argument("--size", type=int, default=64, help="side of the images in pixels")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    options = [name for name in OPTIONS if name != EAGER]
    parser.add_argument("--skip", nargs="*", default=[], choices=options, help="variants")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    print(f"torch {torch.__version__} on {DEVICE}, {arguments.threads} threads")
    for network in arguments.networks:
        time_network(network, arguments)


if __name__ == "__main__":
    main()
