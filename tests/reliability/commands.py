"""Starts commands in separate process groups, which can be killed as a whole."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.conftest import PROJECT

GFM = (sys.executable, "-c", "from gfm.cli import main; main()")
TRAIN = (sys.executable, str(PROJECT / "train.py"))
EVALUATE = (sys.executable, str(PROJECT / "evaluate.py"))

_LOOK = 0.005  # seconds between two checks of a folder


def surroundings() -> dict[str, str]:
    """Return the environment of a command: this project, one thread, no dashboards."""
    own = {"PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    quiet = {"WANDB_MODE": "disabled", "NO_ALBUMENTATIONS_UPDATE": "1"}
    return {**os.environ, **own, **quiet}


@contextmanager
def started(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command in a process group that is killed at the end of the context.

    Its output is added to a file.
    """
    with log.open("ab") as out:
        out.write(f"$ {' '.join(command)}\n".encode())
        out.flush()
        process = subprocess.Popen(
            command, env=surroundings(), stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Send SIGKILL to all processes of the group, which ends them like a power cut."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def kill_one(process: subprocess.Popen[bytes], number: int) -> bool:
    """Send SIGKILL to one of the processes that train; return whether there was one."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            is_child = os.getsid(int(folder.name)) == process.pid
            if is_child and b"spawn_main" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:  # it has ended
            continue
    if found:
        with suppress(ProcessLookupError):
            os.kill(sorted(found)[number % len(found)], signal.SIGKILL)
    return bool(found)


def survivors(process: subprocess.Popen[bytes], seconds: float) -> int:
    """Return how many processes of an ended command still run after this time, and kill them."""
    end = time.monotonic() + seconds
    while (left := in_group(process.pid)) and time.monotonic() < end:
        time.sleep(0.1)
    if left:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return len(left)


def in_group(group: int) -> list[int]:
    """Return the running processes of a group."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            state, _, own = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(own) == group and state not in "ZX":
                found.append(int(folder.name))
    return found


def wait_for(process: subprocess.Popen[bytes], folder: Path, pattern: str) -> None:
    """Wait until a file that matches the pattern appears or changes, or the command ends."""
    before = _seen(folder, pattern)
    while process.poll() is None and _seen(folder, pattern) <= before:
        time.sleep(_LOOK)


def ends_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Return whether the command ends by itself within this time."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _seen(folder: Path, pattern: str) -> set[tuple[Path, int]]:
    seen = set()
    for path in folder.rglob(pattern):
        try:
            seen.add((path, path.stat().st_mtime_ns))
        except OSError:  # renamed meanwhile
            continue
    return seen
