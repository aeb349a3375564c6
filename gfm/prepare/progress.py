"""How far a file tool has come: a bar on a terminal, else a line now and then."""

from datetime import timedelta
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from gfm.console import PlainProgress, console


def duration(seconds: float) -> str:
    """Hours, minutes and seconds."""
    return str(timedelta(seconds=round(seconds)))


class Bar:
    """Counts items; while it is open, print by :meth:`say`.

    Args:
        title: of the work.
        total: items.
        out: where to write, by default standard output.
    """

    def __init__(self, title: str, total: int, out: Console | None = None) -> None:
        out = out or console()
        self.out = out
        self.count = 0
        self.lines = PlainProgress(total, title)
        self.bar = Progress(
            TextColumn(title),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=out,
            disable=not out.is_terminal,
            transient=True,
        )
        self.task = self.bar.add_task(title, total=total)

    def __enter__(self) -> "Bar":
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()

    def advance(self) -> None:
        """Counts one more."""
        self.count += 1
        self.bar.advance(self.task)
        if self.bar.disable:
            self.lines.show(self.count)

    def say(self, text: str) -> None:
        """Prints a line, above the bar if there is one."""
        self.out.print(text, highlight=False, markup=False)
