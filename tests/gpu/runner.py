"""Starts each stage as a process with its own time limit; a failure does not stop the next."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.gpu.findings import FAIL, NO_TIME, SKIPPED, Finding, append, read

PROJECT = Path(__file__).resolve().parents[2]
_SOFT = 0.8  # share of the time limit after which a stage should start no further checks
_WHOLE = "the stage itself"  # name of the finding of a stage that did not end as planned


@dataclass(frozen=True)
class Plan:
    """A stage and its share of the time, relative to the other stages."""

    name: str
    share: float


STAGES = [
    Plan("facts", 1),
    Plan("parity", 5),
    Plan("waits", 4),
    Plan("throughput", 12),
    Plan("loader", 9),
    Plan("ddp", 9),
    Plan("combinations", 8),
    Plan("memory", 6),
    Plan("prediction", 6),
]
"""In the order in which they run: the first ten minutes answer what matters most."""

TRAINING = "training"
"""The last stage, whose time is not part of the minutes."""


def run_stages(
    plans: Sequence[Plan],
    options: Sequence[str],
    out: Path,
    seconds: float,
    variables: dict[str, str],
    minimum: float = 0,
) -> Iterator[Finding]:
    """Run stages one after the other, and yield their findings.

    Time that a stage does not use is shared among those after it.

    Args:
        plans: Stages.
        options: Command-line options of every stage.
        out: Folder for the findings and logs.
        seconds: Total time of all stages.
        variables: Environment variables in addition to those of this process.
        minimum: Least number of seconds for a stage; if fewer are left, it is skipped.
    """
    end = time.monotonic() + seconds
    for index, plan in enumerate(plans):
        left = end - time.monotonic()
        if left < minimum:
            yield Finding(plan.name, _WHOLE, SKIPPED, note=NO_TIME)
            continue
        share = plan.share / sum(p.share for p in plans[index:])
        limit = max(minimum, left * share)
        yield from run_stage(plan.name, options, out, limit, variables)


def run_stage(
    name: str, options: Sequence[str], out: Path, limit: float, variables: dict[str, str]
) -> Iterator[Finding]:
    """Run a stage in a process that is killed after ``limit`` seconds, and yield its findings."""
    findings = out / f"{name}.jsonl"
    findings.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.gpu", "--inside", name, "--seconds", str(_SOFT * limit)]
    print(f"{name}: at most {limit:.0f} s, log {out / name}.log", flush=True)
    start = time.monotonic()
    try:
        status = run_within(
            [*command, "--out", str(out), *options], out / f"{name}.log", limit, variables
        )
    except (KeyboardInterrupt, SystemExit):
        yield from read(findings)
        yield Finding(name, _WHOLE, FAIL, note="interrupted")
        raise
    print(f"{name}: {time.monotonic() - start:.0f} s", flush=True)
    if status is None:
        text = f"killed at its time limit of {limit:.0f} s"
        append(findings, Finding(name, "time limit", FAIL, note=text))
    elif status:
        text = f"exit status {status}: {last_line(out / f'{name}.log')}"
        append(findings, Finding(name, _WHOLE, FAIL, note=text))
    elif not read(findings):
        append(findings, Finding(name, _WHOLE, SKIPPED, note="no findings"))
    yield from read(findings)


def run_within(
    command: Sequence[str], log: Path, limit: float, variables: dict[str, str]
) -> int | None:
    """Run a command; return its exit status, or ``None`` if it was killed after ``limit`` seconds.

    Its child processes are killed, too. SLURM's variables are hidden from it, because otherwise
    Lightning would take each run for one process of the job.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    with log.open("w") as stream:
        stream.write(shlex.join(command) + "\n")
        stream.flush()
        process = subprocess.Popen(
            command,
            cwd=PROJECT,
            env={**own, **variables},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            return None
        finally:
            kill_tree(process)


def kill_tree(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process and all its descendants."""
    for pid in [*descendants(process.pid), process.pid] if process.poll() is None else []:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def descendants(pid: int) -> list[int]:
    """Return the ids of the child processes of a process, and of their descendants."""
    with suppress(OSError):  # it has ended
        lists = [p.read_text() for p in Path(f"/proc/{pid}/task").glob("*/children")]
        children = [int(child) for text in lists for child in text.split()]
        return [pid for child in children for pid in [child, *descendants(child)]]
    return []


def last_line(log: Path) -> str:
    """Return the last line of a log."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:400] if lines else ""
