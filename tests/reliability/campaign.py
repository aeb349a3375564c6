"""Kills commands at random moments, repeats them, and compares their results.

    python -m tests.reliability.campaign --seed 0 --kills 30

SIGKILL goes to all processes of a command, or to one of two that train. The kills fall anywhere in
the work; further ones hit the start-up. The seed determines the moments; what a command is doing at
a given moment depends on the speed of the machine. A campaign takes minutes, and needs neither a
GPU nor a network.
"""

import itertools
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

from gfm.system.console import console
from gfm.system.progress import duration
from tests.reliability.commands import ends_within, kill_one, started, survivors, wait_for
from tests.reliability.outcomes import Outcome, age_temporary, differences
from tests.reliability.task import Material, Task
from tests.reliability.tasks import all_tasks

EARLY = 0.2
"""Share of the kills that fall before the work has begun; they come in addition."""

_MOST_IN_A_ROW = 3  # kills of one run
_MOST_IN_VAIN = 10  # runs in a row that end before their kill
_LEFT = 10.0  # seconds until the others must have ended, too
_PATIENCE = 60.0  # seconds until a command that lost a process must have ended


class Strike(Enum):
    """What a kill interrupted."""

    START = "start-up"
    WORK = "work"
    NOTHING = "the command had ended"


@dataclass(frozen=True)
class Undisturbed:
    """A run that was not killed: its outcome, and the seconds of its start and of its work."""

    outcome: Outcome
    starting: float
    working: float


@dataclass
class Result:
    """The result of a task: kills of its work and start-up, killed runs, and differences."""

    kills: int = 0
    early: int = 0
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


def strike(task: Task, folder: Path, rng: np.random.Generator, whole: Undisturbed) -> Strike:
    """Start a command and kill it, unless it ends first.

    Raises:
        RuntimeError: The command failed, or continued without one of its processes.
    """
    log = folder.with_suffix(".log")
    is_early, part = rng.random() < EARLY and not task.alone, rng.random()
    with started(task.command(folder), log) as process:
        if not is_early:
            wait_for(process, folder, task.work)
        if not ends_within(process, part * (whole.starting if is_early else whole.working)):
            if not task.alone:
                return Strike.START if is_early else Strike.WORK  # and so it is killed here
            is_hit = kill_one(process, int(rng.integers(2)))
            if not ends_within(process, _PATIENCE):
                raise RuntimeError("went on for a minute without one of its processes")
            if left := survivors(process, _LEFT):
                raise RuntimeError(f"left {left} processes when one was killed")
            if is_hit and process.returncode:
                return Strike.WORK
    if process.returncode:
        raise RuntimeError(f"exit status {process.returncode}, see {log}")
    return Strike.NOTHING


def disturbed(
    task: Task, folder: Path, rng: np.random.Generator, whole: Undisturbed, most: int
) -> tuple[list[Strike], list[str]]:
    """Kill a run up to ``most`` times during work; return what was hit, and the differences."""
    task.set_up(folder)
    strikes: list[Strike] = []
    try:
        while strikes.count(Strike.WORK) < most and Strike.NOTHING not in strikes:
            strikes.append(strike(task, folder, rng, whole))
            age_temporary(folder)
        if Strike.NOTHING not in strikes:
            log = folder.with_suffix(".log")
            with started(task.command(folder), log) as process:
                if process.wait() != 0:
                    return strikes, [f"exit status {process.returncode}, see {log}"]
    except RuntimeError as error:
        return strikes, [str(error)]
    try:
        return strikes, differences(whole.outcome, task.outcome(folder))
    except Exception as error:  # a file is missing or damaged, which is what campaigns look for
        return strikes, [f"results cannot be read: {type(error).__name__}: {error}"]


def campaign(task: Task, folder: Path, rng: np.random.Generator, kills: int) -> Result:
    """Kill runs of a task, each up to three times, until so many kills have hit its work."""
    begin = time.monotonic()
    folder.mkdir(parents=True)
    try:
        whole = undisturbed(task, folder / "undisturbed")
    except RuntimeError as error:
        return Result(faults=[f"{folder}: {error}"])
    result, in_vain = Result(), 0
    for number in itertools.count():
        most = min(int(rng.integers(1, _MOST_IN_A_ROW + 1)), kills - result.kills)
        place = folder / f"run_{number}"
        strikes, faults = disturbed(task, place, rng, whole, most)
        met = strikes.count(Strike.WORK)
        result.kills += met
        result.early += strikes.count(Strike.START)
        result.runs += Strike.WORK in strikes or Strike.START in strikes
        result.faults += [f"{place}: {fault}" for fault in faults]
        console().print(f"{task.name}: {result.kills} of {kills} kills", highlight=False)
        in_vain = 0 if met else in_vain + 1
        if in_vain == _MOST_IN_VAIN:
            result.faults.append(f"{place}: ends before it can be killed")
        if result.kills >= kills or in_vain == _MOST_IN_VAIN or (faults and not met):
            break
    result.seconds = time.monotonic() - begin
    return result


def run(tasks: Sequence[Task], folder: Path, seed: int, kills: int) -> bool:
    """Divide the kills among tasks, print a table, and return whether all results are the same."""
    columns = (
        "task",
        "kills of its work",
        "of its start-up",
        "runs killed",
        "same results",
        "time",
    )
    table = Table(*columns, title=f"seed {seed}")
    faults: list[str] = []
    for index, task in enumerate(tasks[:kills]):
        share = kills // len(tasks) + (index < kills % len(tasks))
        result = campaign(task, folder / task.name, np.random.default_rng((seed, index)), share)
        num_wrong = len({fault.partition(": ")[0] for fault in result.faults})
        counts = (result.kills, result.early, result.runs, max(0, result.runs - num_wrong))
        table.add_row(task.name, *map(str, counts), duration(result.seconds))
        faults += result.faults
    console().print(table)
    for fault in faults:
        console().print(fault, highlight=False, markup=False)
    return not faults


def main(
    seed: Annotated[int, typer.Option(help="Of the moments.")] = 0,
    kills: Annotated[int, typer.Option(min=1, help="Of running work, of all tasks.")] = 30,
    task: Annotated[
        list[str] | None, typer.Option(help="May be repeated.", show_default="all")
    ] = None,
) -> None:
    """Run a campaign; the exit status is 1 if a killed run had a different result."""
    folder = Path(tempfile.mkdtemp(prefix="campaign_"))
    given = Material(folder / "material")
    tasks = all_tasks(given)
    names = [t.name for t in tasks]
    unknown = set(task or ()) - set(names)
    if unknown:
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: choose from {', '.join(names)}")
    given.write()
    if not run([t for t in tasks if not task or t.name in task], folder, seed, kills):
        console().print(f"kept for a look: {folder}", highlight=False)
        raise typer.Exit(1)
    shutil.rmtree(folder)


if __name__ == "__main__":
    typer.run(main)
