"""Runs loads that are too large for tests: python -m tests.reliability.load [PART] (Linux).

Without a part all of them run in turn. The exit status is 1 if one of them fails.
"""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from tests.reliability.load import large
from tests.reliability.load import soak as soaking
from tests.reliability.load import sweep as sweeping

app = typer.Typer(add_completion=False)

Minutes = Annotated[float, typer.Option(min=0.5, help="How long to load.")]
Number = Annotated[int, typer.Option(min=10, help="How many.")]


def _hold(part: Callable[[Path], bool]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="load_"))
    if not part(folder):
        typer.echo(f"does not hold; kept for a look: {folder}")
        raise typer.Exit(1)
    shutil.rmtree(folder)


@app.command()
def soak(minutes: Minutes = 10) -> None:
    """Run a loader with two workers, whose memory and file handles must not grow."""
    _hold(lambda folder: soaking.soak(folder, minutes))


@app.command()
def evaluate(photos: Number = 2000) -> None:
    """Evaluate mattes of many small photos."""
    _hold(lambda folder: large.evaluation(folder, photos))


@app.command()
def predict(files: Number = 1000) -> None:
    """Matte many small photos, a twentieth of which are damaged."""
    _hold(lambda folder: large.prediction(folder, files))


@app.command()
def sweep(jobs: Number = 50) -> None:
    """Run a sweep of trainings of one step."""
    _hold(lambda folder: sweeping.sweep(folder, jobs))


@app.callback(invoke_without_command=True)
def every_part(context: typer.Context) -> None:
    """Run all parts in turn unless one is named."""
    if context.invoked_subcommand is not None:
        return
    has_failed = False
    for part in (soak, evaluate, predict, sweep):
        try:
            part()
        except typer.Exit:
            has_failed = True
    if has_failed:
        raise typer.Exit(1)


app()
