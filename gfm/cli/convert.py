"""Defines ``gfm convert``."""

from pathlib import Path
from typing import Annotated

import typer

from gfm.cli.options import CheckpointArgument, TrustOption

Target = Annotated[
    Path, typer.Argument(help="File to write: .safetensors or .ckpt.", metavar="OUT")
]


def convert(source: CheckpointArgument, target: Target, trust: TrustOption = None) -> None:
    """Convert the weights of any supported checkpoint to a .ckpt or .safetensors of gfm."""
    from rich.console import Console

    from gfm.run.exit import report_errors

    with report_errors():
        from gfm.checkpoints import check_network, read_checkpoint, write_checkpoint
        from gfm.checkpoints.formats import check_suffix

        check_suffix(target)  # before a large file is read
        checkpoint = read_checkpoint(Path(source), trust or [])
        check_network(checkpoint, source)
        write_checkpoint(target, checkpoint)
        rosta = checkpoint.model["rosta"].upper()
        millions = sum(tensor.numel() for tensor in checkpoint.state.values()) / 1e6
        text = f"{target}: {checkpoint.encoder_name}, RoSTA {rosta}, {millions:.1f} M values"
        Console(soft_wrap=True).print(text, highlight=False, markup=False)
