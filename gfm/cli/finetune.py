"""Defines ``gfm finetune``, which runs ``gfm train`` on the user's own photos."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from gfm.cli.hydra_apps import run_script
from gfm.cli.options import CHECKPOINT_HELP
from gfm.errors import GFMError
from gfm.run.exit import report_errors
from gfm.run.overrides import check_overrides, override, quote_paths

Root = Annotated[
    Path,
    typer.Argument(
        metavar="FOLDER",
        help="Folder with a folder of photos and one of mattes, or with cut-outs. Or "
        "ckpt_path=<run> to resume a run, ckpt_path=last to resume the latest.",
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        metavar="CHECKPOINT", help=f"{CHECKPOINT_HELP} Required, unless a run is resumed."
    ),
]
Options = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME=VALUE", help="Options of gfm train, such as optimizer.lr=1e-5."),
]
Backgrounds = Annotated[
    Path | None,
    typer.Option(help="Folder of pictures to composite foregrounds over; required for cut-outs."),
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
    options: Options = None,
    weights: Weights = None,
    backgrounds: Backgrounds = None,
    also: Also = None,
) -> None:
    """Fine-tune a network on your own photos, and compare it with the weights it started from.

    A fifth of the photos is held out for the comparison. The command of the run is printed first.
    """
    if str(folder).startswith("ckpt_path="):
        if weights or backgrounds or also:
            raise GFMError(
                f"{folder} resumes a run with its weights and photos: leave out --weights, "
                "--backgrounds and --also"
            )
        arguments = [str(folder), *(options or [])]
    else:
        if weights is None:
            raise GFMError("set --weights to the checkpoint to start from; see --help")
        _check_inputs(folder, weights, backgrounds, also or [])
        arguments = finetune_arguments(folder, weights, options or [], backgrounds, also or [])
    typer.echo(f"running: {shlex.join(['gfm', 'train', *arguments])}")
    run_script("train", arguments)


def _check_inputs(
    folder: Path, weights: str, backgrounds: Path | None, also: Sequence[Path]
) -> None:
    """Check that the folders exist and the weights are readable, before making the run's folder.

    Raises:
        GFMError: A folder is missing or the weights are unreadable; the message names the argument.
    """
    folders = [("FOLDER", folder), *(("--also", path) for path in also)]
    if backgrounds is not None:
        folders.append(("--backgrounds", backgrounds))
    for argument, path in folders:
        if not path.is_dir():
            raise GFMError(f"{argument}: no folder {path}")
    from gfm.checkpoints import read_weights  # imports torch, which --help should not wait for

    try:
        read_weights(Path(weights))
    except GFMError as error:
        raise GFMError(f"--weights: {error}") from error


def finetune_arguments(
    folder: Path, weights: str, options: list[str], backgrounds: Path | None, also: list[Path]
) -> list[str]:
    """Return the arguments of ``gfm train`` that fine-tune on a folder.

    Raises:
        GFMError: One of the options is malformed.
    """
    options = quote_paths(options)
    check_overrides(options, can_sweep=False)
    arguments = ["data=pairs", override("data.root", folder), "recipe=finetune"]
    arguments.append(override("init_from", weights))
    if backgrounds is not None:
        arguments += ["track=comp_rssn", override("paths.bg20k", backgrounds)]
    if also:
        arguments.append(override("data.also", also))
    if not any(option.startswith(("logger=", "logger.")) for option in options):
        arguments.append("logger=csv")  # needs no account
    return [*arguments, *options]
