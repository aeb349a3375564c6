"""Defines ``gfm export``; imports are lazy, to keep --help fast."""

import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gfm.cli.convert import summarize
from gfm.cli.options import CheckpointArgument, OverwriteForeignOption, TrustOption
from gfm.errors import GFMError
from gfm.run.exit import report_errors

if TYPE_CHECKING:
    from gfm.checkpoints import Checkpoint
    from gfm.checkpoints.export import Verification

app = typer.Typer(
    no_args_is_help=True,
    help="Export a trained network to other programs. Each file describes itself in its metadata.",
)

Target = Annotated[Path, typer.Argument(metavar="OUT", help="The file to write.")]
Inference = Annotated[
    str, typer.Option(help="How the graph mattes a photo: native | hybrid | resize | rim.")
]
PixelsOption = Annotated[
    str,
    typer.Option(
        "--pixels",
        help="RGB input of the graph: uint8 (N×H×W×3) | float (N×3×H×W in [0, 1]).",
    ),
]
Check = Annotated[
    bool,
    typer.Option("--check/--no-check", help="Compare the file with the network at three sizes."),
]
Licence = Annotated[
    str | None, typer.Option("--license", help="Licence of the weights, such as cc-by-4.0.")
]


def _write_graph(suffix: str) -> Callable[..., None]:
    """Return the command that writes a graph to a file with this suffix."""

    @report_errors()
    def command(
        source: CheckpointArgument,
        target: Target,
        inference: Inference = "native",
        pixels: PixelsOption = "uint8",
        check: Check = True,
        licence: Licence = None,
        trust: TrustOption = None,
        overwrite: OverwriteForeignOption = False,
    ) -> None:
        from gfm.checkpoints import build_network, choose_inferer
        from gfm.checkpoints.checkpoint import collect_facts
        from gfm.checkpoints.export import MattingGraph, parse_pixels, write_onnx, write_program

        _check_target(source, target, suffix, overwrite)
        kind = parse_pixels(pixels)
        checkpoint = _read(source, licence, trust)
        inferer = choose_inferer(checkpoint, inference)
        graph = MattingGraph(build_network(checkpoint, source), inferer, kind)
        facts = collect_facts(checkpoint, inferer)
        write = write_onnx if suffix == ".onnx" else write_program
        _report(target, facts, write(target, graph, facts, check))

    return command


_ONNX = "Write an ONNX file that turns an RGB image of any size into alpha."
_TORCH = "Write a .pt2 for torch.export.load(...).module(), which does not need this package."
app.command("onnx", help=_ONNX)(_write_graph(".onnx"))
app.command("torch", help=_TORCH)(_write_graph(".pt2"))


@app.command()
@report_errors()
def safetensors(
    source: CheckpointArgument,
    target: Target,
    licence: Licence = None,
    trust: TrustOption = None,
    overwrite: OverwriteForeignOption = False,
) -> None:
    """Write weights with a description of their network, for load_model."""
    from gfm.checkpoints import write_checkpoint

    _check_target(source, target, ".safetensors", overwrite)
    checkpoint = _read(source, licence, trust)
    write_checkpoint(target, checkpoint)
    typer.echo(f"{target}: {summarize(checkpoint)}")


@app.command()
@report_errors()
def hub(
    source: CheckpointArgument,
    target: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder to write.")],
    metrics: Annotated[
        Path | None,
        typer.Option(help="metrics.json of an evaluation.", show_default="those of the run's test"),
    ] = None,
    licence: Licence = None,
    trust: TrustOption = None,
    overwrite: OverwriteForeignOption = False,
) -> None:
    """Write a folder for the Hugging Face Hub: safetensors, config.json and a model card."""
    from gfm.checkpoints.export.hub import (
        HUB_FILES,
        read_metrics,
        read_run_metrics,
        write_hub_folder,
    )
    from gfm.checkpoints.overwriting import check_targets

    check_targets(source, [target / name for name in HUB_FILES], overwrite)
    checkpoint = _read(source, licence, trust)
    found = read_metrics(metrics) if metrics else read_run_metrics(Path(source), checkpoint)
    write_hub_folder(target, checkpoint, found, target.resolve().name)
    typer.echo(f"{target}: {summarize(checkpoint)}; {len(found)} metrics")
    typer.echo(f"load it: load_model({str(target)!r})")
    name, folder = shlex.quote(target.resolve().name), shlex.quote(str(target))
    typer.echo(f"share it: hf upload <user>/{name} {folder}")


def _read(source: str, licence: str | None, trust: list[str] | None) -> "Checkpoint":
    from gfm.checkpoints import check_network, read_checkpoint

    checkpoint = read_checkpoint(Path(source), trust or [])
    check_network(checkpoint, source)
    if licence is None:
        return checkpoint
    return replace(checkpoint, config={**checkpoint.config, "licence": licence})


def _check_target(source: str, target: Path, suffix: str, overwrite: bool) -> None:
    from gfm.checkpoints.overwriting import check_targets

    if target.suffix != suffix:
        raise GFMError(f"cannot write {target}: choose a name that ends in {suffix}")
    if target.parent.exists() and not target.parent.is_dir():
        raise GFMError(f"cannot write {target}: {target.parent} is not a folder")
    check_targets(source, [target], overwrite)


def _report(target: Path, facts: dict[str, str], trials: "list[Verification]") -> None:
    """Print what was written, and how it compares with the network at each image size."""
    megabytes = target.stat().st_size / 1e6
    rosta, inference = facts["rosta"].upper(), facts["inference"]
    typer.echo(f"{target}: {facts['architecture']}, RoSTA {rosta}, {inference}, {megabytes:.1f} MB")
    for trial in trials:
        (num_images, height, width), difference, undecided, torch_s, file_s = trial
        typer.echo(
            f"  {num_images}×{height}×{width}: largest difference {difference:.1e}"
            f" ({undecided} pixels undecided between two classes are excluded);"
            f" {file_s:.3f} s, PyTorch {torch_s:.3f} s: {torch_s / file_s:.2f} times as fast"
        )
