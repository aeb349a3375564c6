"""Output to the terminal and to the log in a run's folder."""

import shlex
import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from gfm.errors import WriteError

_WIDTH = 120  # columns of tables in a file

_logs: list[Console] = []


class _LoggedConsole(Console):
    """Console that prints to the log as well."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*objects, **options)
        try:
            for file in _logs:
                file.print(*objects, **options)
        except OSError:  # disk full: the work fails, too, and its message has to be printed
            close_log()


def console(stderr: bool = False) -> Console:
    """Return a console for standard output or standard error; only terminals wrap lines."""
    plain = _LoggedConsole(stderr=stderr)
    if plain.is_terminal:
        return plain
    return _LoggedConsole(stderr=stderr, width=_WIDTH, soft_wrap=True)


def log_only(text: str) -> None:
    """Write a text only to the log, if one is open."""
    for file in _logs:
        with suppress(OSError):  # disk full
            file.print(text, markup=False, highlight=False)


def open_log(path: Path) -> None:
    """Start appending everything printed to a file.

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
        with suppress(OSError):  # flushing to a full disk fails
            _logs.pop().file.close()
