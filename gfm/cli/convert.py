"""Defines ``gfm convert``; imports are lazy, to keep --help fast."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gfm.cli.options import CheckpointArgument, OverwriteForeignOption, TrustOption
from gfm.run.exit import report_errors

if TYPE_CHECKING:
    from gfm.checkpoints import Checkpoint

Target = Annotated[
    Path, typer.Argument(help="File to write: .safetensors or .ckpt.", metavar="OUT")
]


@report_errors()
def convert(
    source: CheckpointArgument,
    target: Target,
    trust: TrustOption = None,
    overwrite: OverwriteForeignOption = False,
) -> None:
    """Convert the weights of any supported checkpoint to a .ckpt or a .safetensors."""
    from gfm.checkpoints import check_network, read_checkpoint, write_checkpoint
    from gfm.checkpoints.formats import check_suffix
    from gfm.checkpoints.overwriting import check_targets

    check_suffix(target)  # before a large file is read
    check_targets(source, [target], overwrite)
    checkpoint = read_checkpoint(Path(source), trust or [])
    check_network(checkpoint, source)
    write_checkpoint(target, checkpoint)
    typer.echo(f"{target}: {summarize(checkpoint)}")


def summarize(checkpoint: "Checkpoint") -> str:
    """Return the encoder, the RoSTA and the number of values, which include buffers."""
    millions = sum(tensor.numel() for tensor in checkpoint.state.values()) / 1e6
    rosta = str(checkpoint.model["rosta"]).upper()
    return f"{checkpoint.encoder_name}, RoSTA {rosta}, {millions:.1f} M values"
