"""Commands in groups of processes of their own, which are killed as a whole."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import PROJECT

GFM = (sys.executable, "-c", "from gfm.cli import main; main()")
TRAIN = (sys.executable, str(PROJECT / "train.py"))
EVALUATE = (sys.executable, str(PROJECT / "evaluate.py"))

_LOOK = 0.005  # seconds between two looks at a folder


def surroundings() -> dict[str, str]:
    """The environment of a command: this project, one thread, no dashboards."""
    own = {"PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    quiet = {"WANDB_MODE": "disabled", "NO_ALBUMENTATIONS_UPDATE": "1"}
    return {**os.environ, **own, **quiet}


@contextmanager
def started(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A command in a group of its own, killed at the end of the block unless it has ended.

    What it prints is added to a file.
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
    """SIGKILL to all processes of the group, as a power cut or a lack of memory would."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_for(process: subprocess.Popen[bytes], folder: Path, pattern: str) -> None:
    """Waits until files of the pattern are new or have changed, or the command ends."""
    before = _seen(folder, pattern)
    while process.poll() is None and _seen(folder, pattern) <= before:
        time.sleep(_LOOK)


def ends_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether the command ends by itself so soon."""
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
