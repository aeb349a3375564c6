"""Console output, on the terminal and in the log in a run's folder."""

import shlex
import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from gfm.errors import WriteError

_WIDTH = 120  # of lines in a file

_logs: list[Console] = []


class _LoggedConsole(Console):
    """Console that also writes what it prints to the log."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*objects, **options)
        try:
            for file in _logs:
                file.print(*objects, **options)
        except OSError:  # on a full disk the work itself fails, and its message has to be printed
            close_log()


def console(stderr: bool = False) -> Console:
    """Return a console for standard output or standard error.

    Lines are not broken where the output is a file.
    """
    plain = _LoggedConsole(stderr=stderr)
    if plain.is_terminal:
        return plain
    return _LoggedConsole(stderr=stderr, width=_WIDTH, soft_wrap=True)


def log_only(text: str) -> None:
    """Write a text to the log, if one is open, and not to the terminal."""
    for file in _logs:
        with suppress(OSError):  # of a full disk, on which nothing more can be noted
            file.print(text, markup=False, highlight=False)


def open_log(path: Path) -> None:
    """Append everything that is printed from now on to a file.

    Raises:
        WriteError: The file cannot be written.
    """
    close_log()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a", encoding="utf-8", buffering=1)
        command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
        file.write(f"{datetime.now():%Y-%m-%d %H:%M:%S}  {command}\n")
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}") from error
    _logs.append(Console(file=file, width=_WIDTH, soft_wrap=True))


def close_log() -> None:
    """Close the log if one is open."""
    while _logs:
        with suppress(OSError):  # what could not be written
            _logs.pop().file.close()
