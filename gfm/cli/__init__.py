"""Defines the command ``gfm``; each of its subcommands is a file of ``gfm/cli``."""

import sys
import warnings
from typing import Annotated

import typer

from gfm import __version__
from gfm.cli import compare, convert, demo, download, export, finetune, predict, prepare
from gfm.cli.hydra_apps import HYDRA_APPS, run_script
from gfm.system.console import show_warning
from gfm.system.processes import handle_like_sigterm
from gfm.system.safe_path import keep_current_folder_off_path

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Image matting: cut out photos and videos; train, evaluate and export networks.",
)
app.add_typer(prepare.app, name="prepare")
app.add_typer(export.app, name="export")
app.command("check")(prepare.check)
app.command("demo")(demo.demo)
app.command("download")(download.download)
app.command("convert")(convert.convert)
app.command("finetune")(finetune.finetune)
app.command("predict")(predict.predict)
app.command("compare")(compare.compare)


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        typer.echo(f"gfm-matting {__version__}")
        raise typer.Exit


for _name, _help in HYDRA_APPS.items():
    # These are only listed here; `main` runs them.
    app.command(_name, help=_help, add_help_option=False)(lambda: None)


def main() -> None:
    """Run the command line."""
    keep_current_folder_off_path()
    if len(sys.argv) > 1 and sys.argv[1] in HYDRA_APPS:
        run_script(sys.argv[1], sys.argv[2:])
        return
    warnings.showwarning = show_warning
    handle_like_sigterm()
    app()
