"""Kills commands at random moments, repeats them, and compares their results.

    python -m tests.reliability.campaign --seed 0 --kills 30

SIGKILL goes to all processes of a command. A fifth of the kills fall before its work has begun, the
others anywhere in it. The seed draws the moments; what a command is doing at a given moment depends
on the speed of the machine. A campaign takes minutes, and needs neither a GPU nor a network.
"""

import itertools
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

from gfm.system.console import console
from gfm.system.progress import duration
from tests.reliability.commands import ends_within, started, wait_for
from tests.reliability.outcomes import Outcome, age_temporary, differences
from tests.reliability.tasks import Material, Task, all_tasks

EARLY = 0.2
"""Share of the kills that fall before the work has begun."""

_MOST_IN_A_ROW = 3  # kills of one run


@dataclass(frozen=True)
class Undisturbed:
    """A run that was not killed: its outcome, and the seconds of its start and of its work."""

    outcome: Outcome
    starting: float
    working: float


@dataclass
class Result:
    """The result of a task: kills, runs that were killed, and differences at the end."""

    kills: int = 0
    runs: int = 0
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0


def undisturbed(task: Task, folder: Path) -> Undisturbed:
    """Run a command to its end.

    Raises:
        RuntimeError: The command failed.
    """
    task.set_up(folder)
    log = folder.with_suffix(".log")
    begin = time.monotonic()
    with started(task.command(folder), log) as process:
        wait_for(process, folder, task.work)
        starting = time.monotonic() - begin
        if process.wait() != 0:
            raise RuntimeError(f"{task.name} fails undisturbed:\n{log.read_text()}")
    return Undisturbed(task.outcome(folder), starting, time.monotonic() - begin - starting)


def is_killed(task: Task, folder: Path, rng: np.random.Generator, whole: Undisturbed) -> bool:
    """Start a command and kill it, unless it ends before.

    Raises:
        RuntimeError: The command failed.
    """
    log = folder.with_suffix(".log")
    is_early, part = rng.random() < EARLY, rng.random()
    with started(task.command(folder), log) as process:
        if not is_early:
            wait_for(process, folder, task.work)
        if not ends_within(process, part * (whole.starting if is_early else whole.working)):
            return True  # and so it is killed here
    if process.returncode:
        raise RuntimeError(f"exit status {process.returncode}, see {log}")
    return False


def disturbed(
    task: Task, folder: Path, rng: np.random.Generator, whole: Undisturbed, most: int
) -> tuple[int, list[str]]:
    """Kill a run up to ``most`` times in a row; return the number of kills, and the differences."""
    task.set_up(folder)
    kills = 0
    try:
        while kills < most and is_killed(task, folder, rng, whole):
            kills += 1
            age_temporary(folder)
        if kills == most:
            log = folder.with_suffix(".log")
            with started(task.command(folder), log) as process:
                if process.wait() != 0:
                    return kills, [f"exit status {process.returncode}, see {log}"]
    except RuntimeError as error:
        return kills, [str(error)]
    return kills, differences(whole.outcome, task.outcome(folder))


def campaign(task: Task, folder: Path, rng: np.random.Generator, kills: int) -> Result:
    """Kill runs of a task until the kills are used up, each run up to three times."""
    begin = time.monotonic()
    folder.mkdir(parents=True)
    whole = undisturbed(task, folder / "undisturbed")
    result, numbers = Result(), itertools.count()
    while result.kills < kills:
        most = min(int(rng.integers(1, _MOST_IN_A_ROW + 1)), kills - result.kills)
        place = folder / f"run_{next(numbers)}"
        done, faults = disturbed(task, place, rng, whole, most)
        result.kills += done
        result.runs += done > 0
        result.faults += [f"{place}: {fault}" for fault in faults]
        console().print(f"{task.name}: {result.kills} of {kills} kills", highlight=False)
        if faults and not done:  # it fails by itself, and would do so for ever
            break
    result.seconds = time.monotonic() - begin
    return result


def run(tasks: Sequence[Task], folder: Path, seed: int, kills: int) -> bool:
    """Divide the kills among tasks, print a table, and return whether all results are the same."""
    table = Table("task", "kills", "runs killed", "same results", "time", title=f"seed {seed}")
    faults: list[str] = []
    for index, task in enumerate(tasks[:kills]):
        share = kills // len(tasks) + (index < kills % len(tasks))
        result = campaign(task, folder / task.name, np.random.default_rng((seed, index)), share)
        num_wrong = len({fault.partition(": ")[0] for fault in result.faults})
        counts = (result.kills, result.runs, max(0, result.runs - num_wrong))
        table.add_row(task.name, *map(str, counts), duration(result.seconds))
        faults += result.faults
    console().print(table)
    for fault in faults:
        console().print(fault, highlight=False, markup=False)
    return not faults


def main(
    seed: Annotated[int, typer.Option(help="Of the moments.")] = 0,
    kills: Annotated[int, typer.Option(min=1, help="Of all tasks together.")] = 30,
    task: Annotated[
        list[str] | None, typer.Option(help="May be repeated.", show_default="all")
    ] = None,
) -> None:
    """Run a campaign; the exit status is 1 if a killed run had another result."""
    folder = Path(tempfile.mkdtemp(prefix="campaign_"))
    given = Material(folder / "material")
    tasks = all_tasks(given)
    names = [t.name for t in tasks]
    unknown = set(task or ()) - set(names)
    if unknown:
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: choose of {', '.join(names)}")
    given.write()
    if not run([t for t in tasks if not task or t.name in task], folder, seed, kills):
        console().print(f"kept for a look: {folder}", highlight=False)
        raise typer.Exit(1)
    shutil.rmtree(folder)


if __name__ == "__main__":
    typer.run(main)
