"""Prints a run's settings at its start, and its results at the end."""

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gfm.config import TrainConfig
from gfm.data.layout import Photo
from gfm.models.precision import device_type, trains_in_tf32
from gfm.run.before_after import show_before_and_after
from gfm.run.evaluation_command import evaluation_command
from gfm.system.console import console
from gfm.system.ranks import is_global_zero
from gfm.training.curve_plot import draw_curves
from gfm.training.final_test import FinalTest, best_weights
from gfm.training.resume_checks import SavedRun


def announce(config: TrainConfig, resumed: SavedRun | None) -> None:
    """Print a run's name, data and folder, and notes on resuming, precision and demo data."""
    if not is_global_zero():
        return
    name, data = config.run.name, config.data.name
    console().print(Text.assemble((name, "bold"), f" on {data}, writing to {config.folder}"))
    if resumed:
        console().print(f"resuming from step {resumed.steps:,} of {resumed.path}")
    if trains_in_tf32(device_type(config.trainer.accelerator), str(config.trainer.precision)):
        console().print("in training, this GPU rounds the factors of float32 products to TF32")
    scale = config.recipe.decoder_scale
    if scale != 1:
        console().print(f"decoder channels are scaled by {scale:g} (recipe.decoder_scale)")
    if data == "demo":
        text = (
            "The demo data are drawn animals: they show that everything works, nothing more.\n"
            "To train on AM-2k: data=am2k paths.am2k=<AM-2k> paths.bg20k=<BG-20k>"
        )
        panel = Panel(text, title="DEMO DATA", style="yellow", expand=False)
        console().print(panel, soft_wrap=False)  # breaks its lines on narrow terminals


def metrics_table(title: str, metrics: Mapping[str, float], units: Mapping[str, str]) -> Table:
    """Return a table of metrics in the given order.

    Args:
        title: Title above the table.
        metrics: Values by name; a name may have a prefix such as ``val/``.
        units: Units by name without prefix; see :func:`gfm.metrics.metric_units`.
    """
    table = Table(title=title, title_justify="left")
    table.add_column("metric")
    table.add_column("value", justify="right")
    table.add_column("unit")
    for name, value in metrics.items():
        table.add_row(name, f"{value:.5g}", units.get(name.split("/")[-1], ""))
    return table


def sets_table(
    title: str, rows: Mapping[str, Mapping[str, float]], units: Mapping[str, str]
) -> Table:
    """Return a table with a row per test set, and a column for each metric of the whole image.

    SAD in the transition region has a column, too, if the protocol has it.

    Args:
        title: Title above the table.
        rows: Metrics by test set, with ``num_images``; the last row holds their means.
        units: Units by metric.
    """
    names = [n for n in units if "_" not in n or n == "sad_transition"]
    table = Table(title=title, title_justify="left")
    table.add_column("test set")
    for name in ("photos", *(f"{name}\n{units[name]}" for name in names)):
        table.add_column(name.replace("_", "\n", 1), justify="right")
    for number, (name, row) in enumerate(rows.items(), start=1):
        values = (f"{row[metric]:.4g}" for metric in names)
        is_last = number == len(rows)
        table.add_row(name, f"{row['num_images']:.0f}", *values, style="bold" if is_last else "")
        if number == len(rows) - 1:
            table.add_section()
    return table


def show_results(
    config: TrainConfig,
    trainer: pl.Trainer,
    metrics: Mapping[str, float],
    tested: FinalTest | None,
    photos: Sequence[Photo],
) -> None:
    """Draw the curves, and print the final test and the command that reproduces it.

    Args:
        config: Configuration of the run.
        trainer: Trainer after the run.
        metrics: Last values that the run logged.
        tested: Test at the end of the run; without it, the last validation is printed.
        photos: Photos of the final test. (After spawning processes, a trainer lacks them.)
    """
    if not trainer.is_global_zero:
        return
    if (config.folder / "metrics.csv").is_file():
        names = config.objective or "", config.objective_mode
        draw_curves(config.folder / "metrics.csv", config.folder / "curves.png", *names)
    module: Any = trainer.lightning_module
    is_usable = True
    validated = {k: v for k, v in metrics.items() if k.startswith("val/")}
    if tested:
        values = {k: v for k, v in tested.metrics.items() if k.startswith("test/")}
        console().print(metrics_table(tested.title, values, module.metrics.units))
        console().print(tested.choice)
        is_usable = show_before_and_after(config.folder, module.metrics.units, photos)
    elif validated:
        console().print(metrics_table("last validation", validated, module.metrics.units))
    weights = tested.weights if tested else best_weights(trainer)
    if weights is not None:
        _show_commands(config, trainer, weights, is_usable)


def _show_commands(
    config: TrainConfig, trainer: pl.Trainer, weights: Path, is_usable: bool
) -> None:
    """Print the command to evaluate the weights and, after fine-tuning, the one to use them."""
    console().print("evaluate these weights with")
    console().print(f"  {evaluation_command(config, trainer, weights)}", style="bold")
    if config.validate_first and is_usable:
        predict = ["gfm", "predict", "photo.jpg", "-o", "mattes", "--checkpoint"]
        console().print("matte other photos with")
        console().print(f"  {shlex.join([*predict, os.path.relpath(weights)])}", style="bold")
