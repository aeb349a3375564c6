"""The command ``gfm``: its subcommands, a file of ``gfm/commands`` for each."""

import sys

import typer

from gfm.commands import convert, demo, download, export, prepare
from gfm.commands.hydra_apps import HYDRA_APPS, become

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, help="Glance and Focus Matting."
)
app.add_typer(prepare.app, name="prepare")
app.add_typer(export.app, name="export")
app.command("check")(prepare.check)
app.command("demo")(demo.demo)
app.command("download")(download.download)
app.command("convert")(convert.convert)
for _name, _help in HYDRA_APPS.items():
    app.command(_name, help=_help, add_help_option=False)(lambda: None)  # listed; `main` runs them


def main() -> None:
    """The command line."""
    if len(sys.argv) > 1 and sys.argv[1] in HYDRA_APPS:
        become(sys.argv[1], sys.argv[2:])
    app()
