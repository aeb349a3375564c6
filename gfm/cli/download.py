"""Defines ``gfm download``; imports are lazy, to keep --help fast."""

from pathlib import Path
from typing import Annotated

import typer

from gfm.errors import GFMError
from gfm.run.exit import report_errors

What = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="weights NAME | DATASET",
        help="What to download, such as weights r34_2b_tt, or am2k_fg_denoise.",
    ),
]
OutFolder = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--out",
        help="Folder to write to.",
        show_default="for weights, where released:NAME looks; for data, data/downloads",
    ),
]
Accept = Annotated[
    bool,
    typer.Option("--accept", help="Confirm that you have read and accept the release agreement."),
]


@report_errors("the same command")
def download(what: What = None, out: OutFolder = None, accept: Accept = False) -> None:
    """Download weights and datasets published by the authors; without a name, list them.

    Shows the release agreement first. Repeat an interrupted download to resume it.
    """
    from gfm.prepare.downloads import download, find_data, find_weights, names

    words = what or []
    if words in ([], ["weights"]):
        typer.echo("\n".join(f"gfm download {name}" for name in names()))
        return
    if len(words) > 2 or (len(words) == 2 and words[0] != "weights"):
        raise GFMError(f"unknown download {' '.join(words)!r}: gfm download lists all")
    item = find_weights(words[1], out) if len(words) == 2 else find_data(words[0], out)
    typer.echo(f"{item.name}: published by the authors at {item.link}")
    for dataset, address in item.agreements.items():
        typer.echo(f"the release agreement of {dataset}: {address}")
    if not (accept or typer.confirm("Have you read this, and do you accept it?")):
        raise GFMError("the agreement was not accepted: nothing was downloaded")
    typer.echo(f"{download(item)}: {item.hint}")
