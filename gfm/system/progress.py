"""Progress of long work: a bar on a terminal, otherwise a line every ten seconds."""

import time
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from gfm.system.console import console


def duration(seconds: float) -> str:
    """Format seconds as h:mm:ss."""
    return str(timedelta(seconds=round(seconds)))


class Progress:
    """Tracks progress and estimates the time remaining; rich alone prints nothing to a file.

    Args:
        total: Number of items; ``None`` if unknown.
        unit: Name of the items.
        done: Count to start from.
        interval: Minimum time between two lines, in seconds.
        has_bar: Whether to draw a bar; by default only on a terminal.
        out: Console to write to; by default standard output.
    """

    def __init__(
        self,
        total: int | None,
        unit: str,
        done: int = 0,
        interval: float = 10.0,
        has_bar: bool | None = None,
        out: Console | None = None,
    ) -> None:
        self.out = out or console()
        self.total = total
        self.unit = unit
        self.start = self.done = done
        self.interval = interval
        self.began = self.shown = time.monotonic()
        self.bar: RichProgress | None = None
        if self.out.is_terminal if has_bar is None else has_bar:
            columns = (TextColumn(unit), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            # Not self.out, which also prints to the log.
            screen = Console(stderr=self.out.stderr, force_terminal=True, soft_wrap=True)
            self.bar = RichProgress(*columns, console=screen, transient=True)
            self.bar.add_task(unit, total=total, completed=done)

    def __enter__(self) -> "Progress":
        if self.bar:
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar:
            self.bar.stop()

    def advance(self, count: int = 1) -> None:
        """Advance by ``count`` items."""
        done = self.done + count
        self.show(done if self.total is None else min(done, self.total))

    def show(self, done: int, text: str = "") -> None:
        """Set the count; without a bar, print it at most once per ``interval``.

        ``text`` is appended to the line.
        """
        self.done = done
        if self.bar:
            self.bar.update(self.bar.task_ids[0], completed=done)
            return
        now = time.monotonic()
        if now - self.shown < self.interval or done <= self.start:
            return
        self.shown = now
        parts = [f"{self.unit} {done}", *([text] if text else [])]
        if self.total is not None:
            left = (now - self.began) / (done - self.start) * (self.total - done)
            parts = [f"{parts[0]}/{self.total}", *parts[1:], f"{duration(left)} left"]
        self.print("  ".join(parts))

    def print(self, text: str) -> None:
        """Print a line, above the bar if there is one."""
        self.out.print(text)
