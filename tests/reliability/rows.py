"""Defines the rows of bad input, and runs one in this process as the command line would.

Words of a command may hold ``{here}``, the row's own folder, and ``{shared}``, a folder of valid
files that no row changes (:mod:`tests.reliability.sound`).
"""

import faulthandler
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton

from gfm import cli
from gfm.cli.hydra_apps import evaluate, train

SECONDS = 300
"""Seconds after which a row counts as hanging; it usually takes one or two."""

_LOGS = ("run/.hydra/*", "run/*.log", "run/config.yaml", "run/journal/*")
"""Patterns of logs and notes of a run, which are not results."""

_MAINS = {"train": train.main, "evaluate": evaluate.main}


@dataclass(frozen=True)
class Row:
    """A command with bad input.

    Attributes:
        name: What is bad.
        kind: Kind of input, for the table of counts.
        command: Words after ``gfm`` on the command line.
        says: Words that the one line must hold: the thing and the fix.
        make: Makes the bad input in the row's folder.
        status: Exit status: 1, or 2 if the words of the command are not understood.
        leaves: Patterns of the files that may be left, each of them complete.
    """

    name: str
    kind: str
    command: tuple[str, ...]
    says: tuple[str, ...]
    make: Callable[[Path], None] = lambda here: None
    status: int = 1
    leaves: tuple[str, ...] = ()

    @property
    def entry(self) -> str:
        """The entry point of the command, such as ``prepare pack``."""
        is_group = self.command[0] in ("prepare", "export")
        return " ".join(self.command[: 2 if is_group else 1])

    def __str__(self) -> str:
        return f"{self.entry}: {self.name}"


def out_is_a_file(here: Path) -> None:
    """Put a file where a row's command would write its folder."""
    (here / "out").write_text("")


class Done(NamedTuple):
    """The exit status and the output of a command."""

    status: int
    stdout: str
    stderr: str


def check(row: Row, here: Path, shared: Path, capture: pytest.CaptureFixture[str]) -> None:
    """Run a row in its folder, and assert what must hold for every row.

    Args:
        row: Row to run.
        here: Folder of the row.
        shared: Folder of valid files.
        capture: pytest's ``capfd``, which also sees what libraries in C print.
    """
    row.make(here)
    before = files(here)
    done = run([filled(word, here, shared) for word in row.command], here, capture)
    assert done.status == row.status, done
    assert "Traceback" not in done.stdout + done.stderr, done
    for part in row.says:
        assert filled(part, here, shared) in done.stderr + done.stdout, done
    if row.status == 1:
        *log, last = done.stderr.strip().splitlines()
        assert last.startswith("error: "), done
        assert not [line for line in log if not line.startswith("warning: ")], done
        assert last[7:].strip(), done
        assert last.count("Error:") == 0, done  # the type of an exception means nothing to users
    allowed = {path for pattern in (*_LOGS, *row.leaves) for path in here.glob(pattern)}
    assert files(here) - before <= allowed, sorted(files(here) - before - allowed)


def filled(text: str, here: Path, shared: Path) -> str:
    """Return the text with the folders filled in."""
    return text.replace("{here}", str(here)).replace("{shared}", str(shared))


def files(folder: Path) -> set[Path]:
    """Return all files below a folder, hidden ones too."""
    return {path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}


def run(words: list[str], here: Path, capture: pytest.CaptureFixture[str]) -> Done:
    """Run ``gfm <words>`` in a folder."""
    capture.readouterr()
    with alone(here, words), at_most(SECONDS):
        try:
            _MAINS.get(words[0], cli.main)()
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Done(status, *capture.readouterr())


@contextmanager
def alone(here: Path, words: list[str]) -> Iterator[None]:
    """Provide a context that restores what a command changes of its process."""
    Plugins.instance()  # found once, not for every row
    singletons = Singleton.get_state()
    handlers = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.chdir(here)
        skip = words[0] in _MAINS
        patch.setattr(sys, "argv", [words[0] if skip else "gfm", *words[skip:]])
        patch.setenv("HYDRA_FULL_ERROR", "0")
        # Hydra composes twice, first to find its mode; that ignores all errors.
        patch.setattr(Hydra, "get_mode", lambda *_, **__: None)
        patch.setenv("PYTHONSAFEPATH", "1")  # which the command sets for its children
        patch.setenv("COLUMNS", "300")
        GlobalHydra.instance().clear()
        try:
            yield
        finally:
            Singleton.set_state(singletons)
            for number, handler in handlers.items():
                signal.signal(number, handler)


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """End a hanging command by an exception, or by the process if the interpreter hangs."""

    def end(*_: object) -> None:
        raise TimeoutError(f"not done after {seconds} s")

    assert threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    faulthandler.dump_traceback_later(2 * seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
