"""Parameters and multiply-adds of networks, by their names in the configuration.

Run: python -m tests.benchmarks.networks [--size 320] [NAME ...]

Prints the table of docs/models.md: the encoder, and the whole network with RoSTA TT. Operations are
only counted, on the meta device, which takes seconds. A name is that of a file in configs/backbone
or of a timm network.
"""

import argparse
from collections.abc import Callable
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from gfm.checkpoints import without_pretrained
from gfm.compat.hydra import instantiate
from gfm.models.gfm import GFM
from gfm.run.configuration import load_train_config
from tests.conftest import PROJECT, compose_config

OFFICIAL = ["r34", "r34_2b", "d121", "r101"]
TIMM = [
    "convnextv2_tiny",
    "swin_tiny_patch4_window7_224",
    "swinv2_cr_tiny_ns_224",
    "pvt_v2_b2",
    "mobilenetv4_conv_medium",
    "mobilenetv4_hybrid_medium",
    "efficientnet_b0",
    "tf_efficientnetv2_s",
    "resnet50d",
    "hrnet_w18",
    "mambaout_tiny",
    "vit_tiny_patch16_224",
]


def model_node(name: str, **options: Any) -> dict[str, Any]:
    """Return the ``_target_`` node of a backbone with TT and random weights."""
    if (PROJECT / f"configs/backbone/{name}.yaml").is_file():
        choice = [f"backbone={name}"]
    else:
        choice = ["backbone=timm", f"backbone.name={name}"]
    # The demo's recipe has narrower decoders on some machines.
    cfg = compose_config("train", [*choice, "recipe=am2k", "paths.run=none"])
    return {**without_pretrained(load_train_config(cfg).network), **options}


def parameters(module: nn.Module) -> float:
    """Return the number of parameters in millions."""
    return sum(p.numel() for p in module.parameters()) / 1e6


def multiply_adds(function: Callable[[torch.Tensor], object], size: int) -> float:
    """Return the multiply-adds for a ``size``×``size`` image, in billions."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        function(torch.zeros(1, 3, size, size, device="meta"))
    return counter.get_total_flops() / 2e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=[*OFFICIAL, *TIMM], metavar="NAME")
    parser.add_argument("--size", type=int, default=320, help="side of the image in pixels")
    arguments = parser.parse_args()
    table = Table(title=f"one {arguments.size}x{arguments.size} image, RoSTA TT")
    table.add_column("backbone", no_wrap=True)
    for column in ("strides", "encoder M", "network M", "encoder GMAC", "network GMAC"):
        table.add_column(column, justify="right")
    for name in arguments.names:
        with torch.device("meta"):
            model: GFM = instantiate(model_node(name)).eval()
        counts = [parameters(model.encoder), parameters(model)]
        counts += [multiply_adds(f, arguments.size) for f in (model.encode, model)]
        strides = " ".join(map(str, model.encoder.strides))
        table.add_row(name, strides, *(f"{number:.1f}" for number in counts))
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
