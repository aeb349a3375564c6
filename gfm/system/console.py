"""Output to the terminal and to the log in a run's folder."""

import re
import shlex
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderHook, RenderResult
from rich.segment import Segment

from gfm.errors import WriteError

_WIDTH = 120  # columns of tables in a file

_logs: list[Console] = []


_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """Escape control characters, which could manipulate a terminal."""
    return _CONTROLS.sub(lambda found: repr(found[0])[1:-1], text)


@dataclass(frozen=True)
class _Visible:
    """A renderable with its control characters escaped."""

    content: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self.content, options):
            text, style, control = segment
            yield segment if control else Segment(visible(text), style)


class _Hook(RenderHook):
    def process_renderables(self, renderables: list[Any]) -> list[Any]:
        return [_Visible(content) for content in renderables]


class _PlainConsole(Console):
    """Console that prints file names literally: no markup or emoji, control characters escaped."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)
        self.push_render_hook(_Hook())


class _LoggedConsole(_PlainConsole):
    """Console that also prints to the log; on a terminal, it prints above a progress bar."""

    @property  # type: ignore[misc]
    def file(self) -> IO[str]:
        """The stream; on a terminal, the one that rich puts in its place while a bar is shown."""
        stream: IO[str] = super().file
        return (sys.stderr if self.stderr else sys.stdout) if stream.isatty() else stream

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*objects, **options)
        try:
            for file in _logs:
                file.print(*objects, **options)
        except OSError:  # disk full: the run will fail, too, and must still print its error
            close_log()


def console(stderr: bool = False) -> Console:
    """Return a console for standard output or standard error.

    It prints plain text; for styles, pass a :class:`rich.text.Text`. It never breaks lines, so
    that printed commands can be copied.
    """
    plain = _LoggedConsole(stderr=stderr, soft_wrap=True)
    if plain.is_terminal:
        return plain
    return _LoggedConsole(stderr=stderr, width=_WIDTH, soft_wrap=True)


def show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Print a warning in one line, in place of ``warnings.showwarning``."""
    console(stderr=True).print(f"warning: {message}")


def log_only(text: str) -> None:
    """Write a text only to the log, if one is open."""
    for file in _logs:
        with suppress(OSError):  # disk full
            file.print(text)


def open_log(path: Path) -> None:
    """Append everything printed from now on to a file; close any earlier log.

    Raises:
        WriteError: The file cannot be written.
    """
    close_log()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a", encoding="utf-8", buffering=1)
        command = visible(shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]))
        file.write(f"{datetime.now():%Y-%m-%d %H:%M:%S}  {command}\n")
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}") from error
    _logs.append(_PlainConsole(file=file, width=_WIDTH, soft_wrap=True))


def close_log() -> None:
    """Close the log if one is open."""
    while _logs:
        with suppress(OSError):  # flushing to a full disk fails
            _logs.pop().file.close()
