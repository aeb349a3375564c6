"""Reports where the time of a run goes (``debug=profiler``)."""

import io
import math
import time

from pytorch_lightning.profilers import SimpleProfiler
from rich.console import Console
from rich.table import Table

_SMALLEST = 1 / 1000  # fraction of the run below which an action is not shown
_WIDTH = 100  # of the table, in characters


class RunProfiler(SimpleProfiler):
    """Lightning's profiler with a table that is easy to read.

    Lightning's table has a line for each hook of each callback, as wide as the longest description
    of a checkpoint's settings. This table omits these settings, and actions below a thousandth of
    the time. Actions are nested, so the percentages do not add up to 100.
    """

    def summary(self) -> str:
        """Return the table of the actions, the longest first."""
        total = time.perf_counter() - self.start_time
        spent = {name: math.fsum(times) for name, times in self.recorded_durations.items()}
        table = Table("action", title=f"where {total:.1f} s went")
        for column in ("calls", "ms each", "seconds", "%"):
            table.add_column(column, justify="right")
        for name in sorted(spent, key=spent.__getitem__, reverse=True):
            if spent[name] < total * _SMALLEST:
                break
            calls = len(self.recorded_durations[name])
            cells = f"{1000 * spent[name] / calls:.1f}", f"{spent[name]:.2f}"
            action, _, hook = name.partition("{")
            table.add_row(
                action + hook.rpartition("}")[2],
                *(str(calls), *cells, f"{100 * spent[name] / total:.1f}"),
            )
        text = io.StringIO()
        Console(file=text, width=_WIDTH).print(table)
        return text.getvalue()
