"""The command ``gfm``: file tools around training."""

import typer

from gfm.convert import convert
from gfm.prepare import commands as prepare

app = typer.Typer(no_args_is_help=True, add_completion=False)
app.add_typer(prepare.app, name="prepare")
app.command()(prepare.check)
app.command()(convert)
