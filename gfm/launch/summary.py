"""Prints the first and the last lines of a run."""

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from gfm.launch.overrides import override
from gfm.system.console import console

if TYPE_CHECKING:
    import pytorch_lightning as pl  # takes seconds to import, and the file tools do not need it

    from gfm.training.final_test import FinalTest


def announce(config: Mapping[str, Any]) -> None:
    """Print the name, the data and the folder of a run, with a warning about the demo data."""
    name, data = config["run"]["name"], config["data"]["name"]
    console().print(f"[bold]{name}[/] on {data}, writing to {config['paths']['run']}")
    scale = config["model"]["decoder_scale"]
    if scale != 1:
        text = f"the decoders have {scale:g} of their channels (recipe.decoder_scale)"
        console().print(text, highlight=False)
    if data == "demo":
        text = (
            "These are drawn animals: good for seeing that everything works, not for results.\n"
            "To train on AM-2k: data=am2k paths.am2k=<AM-2k> paths.bg20k=<BG-20k>"
        )
        console().print(Panel(text, title="DEMO DATA", style="yellow", expand=False))


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


def show_results(
    trainer: "pl.Trainer",
    metrics: Mapping[str, float],
    tested: "FinalTest | None",
    options: Sequence[str],
) -> None:
    """Print the final test, or else the last validation, and the command that repeats it.

    Args:
        trainer: Trainer after the run.
        metrics: Last values that the run logged.
        tested: Test at the end of the run, if there was one.
        options: Overrides that select the data of the run.
    """
    from gfm.training.final_test import best_weights  # here, because importing it takes seconds

    if not trainer.is_global_zero:
        return
    module: Any = trainer.lightning_module
    validated = {k: v for k, v in metrics.items() if k.startswith("val/")}
    if tested:
        values = {k: v for k, v in tested.metrics.items() if k.startswith("test/")}
        console().print(metrics_table(tested.title, values, module.metrics.units))
        console().print(tested.choice, highlight=False)
    elif validated:
        console().print(metrics_table("last validation", validated, module.metrics.units))
    weights = tested.weights if tested else best_weights(trainer)
    if weights is not None:
        command = ["python", "evaluate.py", override("checkpoint", os.path.relpath(weights))]
        command += [*options, *_how(trainer)]
        console().print("evaluate these weights with")
        console().print(f"  [bold]{escape(shlex.join(command))}[/]", highlight=False)


def _how(trainer: "pl.Trainer") -> list[str]:
    """Return the overrides that an evaluation needs to give the same figures."""
    module: Any = trainer.lightning_module
    protocol = module.metrics.protocol
    options = [] if protocol == "gfm" else [f"protocol={protocol}"]
    precision = str(trainer.precision)
    return options if precision == "32-true" else [*options, f"trainer.precision={precision}"]


def data_options(name: str, run: Path) -> list[str]:
    """Return the overrides that give another command the data of a run.

    Args:
        name: Choice of the group ``data``.
        run: Folder of the run, where Hydra keeps the overrides.
    """
    file = run / ".hydra/overrides.yaml"
    given = [str(o) for o in OmegaConf.load(file)] if file.is_file() else []
    kept = ("paths.am2k", "paths.p3m10k", "paths.demo", "data.source", "trust", "trainer=")
    return [f"data={name}", *(o for o in given if o.startswith(kept))]
