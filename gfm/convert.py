"""``gfm convert``; what it needs is imported when it runs."""

from pathlib import Path
from typing import Annotated

import typer

Source = Annotated[
    Path, typer.Argument(help="A run's .ckpt, a released .pth or a .safetensors.", metavar="IN")
]
Target = Annotated[
    Path, typer.Argument(help="The file to write: .safetensors or .ckpt.", metavar="OUT")
]


def convert(source: Source, target: Target) -> None:
    """Write the weights of any supported checkpoint in our format, or as safetensors."""
    from rich.console import Console

    from gfm.launch import faults

    with faults():
        from gfm.checkpoints import convert as write

        checkpoint = write(source, target)
        rosta = checkpoint.model["rosta"].upper()
        millions = sum(tensor.numel() for tensor in checkpoint.state.values()) / 1e6
        text = f"{target}: {checkpoint.encoder_name}, RoSTA {rosta}, {millions:.1f} M values"
        Console(soft_wrap=True).print(text, highlight=False, markup=False)
