"""Defines ``gfm finetune``, which trains on one's own photos with ``gfm train``."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from gfm.cli.hydra_apps import run_hydra_app
from gfm.cli.options import CheckpointOption
from gfm.run.exit import report_errors
from gfm.run.overrides import check_overrides, override, quote_paths

Root = Annotated[
    Path,
    typer.Argument(
        metavar="FOLDER",
        help="Holds a folder of photos and one of mattes, or cut-outs with transparency.",
    ),
]
Options = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME=VALUE]…", help="Options of gfm train, such as optimizer.lr=1e-5."
    ),
]
Backgrounds = Annotated[
    Path | None,
    typer.Option(help="Folder of pictures to show the foregrounds over; needed for cut-outs."),
]
Also = Annotated[
    list[Path] | None,
    typer.Option(
        help="Another dataset to train on, which keeps the network from forgetting; may be "
        "repeated. Half of all samples come from these.",
    ),
]


@report_errors()
def finetune(
    folder: Root,
    weights: CheckpointOption,
    options: Options = None,
    backgrounds: Backgrounds = None,
    also: Also = None,
) -> None:
    """Fine-tune a network on your own photos, and compare it with the weights it started from.

    A fifth of the photos is held out for the comparison. The command of the run is printed first.
    """
    arguments = finetune_arguments(folder, weights, options or [], backgrounds, also or [])
    typer.echo(f"this runs: {shlex.join(['gfm', 'train', *arguments])}")
    run_hydra_app("train", arguments)


def finetune_arguments(
    folder: Path, weights: str, options: list[str], backgrounds: Path | None, also: list[Path]
) -> list[str]:
    """Return the arguments of ``gfm train`` that fine-tune on a folder.

    Raises:
        GFMError: One of the options is malformed.
    """
    options = quote_paths(options)
    check_overrides(options)
    arguments = ["data=pairs", override("data.root", folder), "recipe=finetune"]
    arguments.append(override("init_from", weights))
    if backgrounds is not None:
        arguments += ["track=comp_rssn", override("paths.bg20k", backgrounds)]
    if also:
        arguments.append(f"data.also=[{','.join(override('', path)[1:] for path in also)}]")
    if not any(option.startswith(("logger=", "logger.")) for option in options):
        arguments.append("logger=csv")  # without an account
    return [*arguments, *options]
