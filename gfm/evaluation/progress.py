"""How far an evaluation is: a bar on a terminal, else a line every ten seconds."""

from types import TracebackType

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gfm.console import PlainProgress, console


class PhotoProgress:
    """Shows photos done, all photos, and the remaining time, while it is entered.

    Args:
        total: number of photos.
        num_done: how many of them were done before.
    """

    def __init__(self, total: int, num_done: int = 0) -> None:
        self.total = total
        self.num_done = num_done
        self.bar: Progress | None = None
        self.lines: PlainProgress | None = None

    def __enter__(self) -> "PhotoProgress":
        out = console()
        if out.is_terminal:
            columns = (TextColumn("photos"), BarColumn(), MofNCompleteColumn())
            self.bar = Progress(*columns, TimeRemainingColumn(), console=out)
            self.bar.add_task("", total=self.total, completed=self.num_done)
            self.bar.start()
        else:
            self.lines = PlainProgress(self.total, "photo", self.num_done)
        return self

    def advance(self, num_photos: int = 1) -> None:
        """Counts photos."""
        self.num_done = min(self.num_done + num_photos, self.total)
        if self.bar:
            self.bar.update(self.bar.task_ids[0], completed=self.num_done)
        elif self.lines:
            self.lines.show(self.num_done)

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        if self.bar:
            self.bar.stop()
