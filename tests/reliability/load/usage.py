"""Measures memory and open file handles of processes (Linux)."""

import statistics
import subprocess
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.reliability.commands import in_group


@dataclass(frozen=True)
class Usage:
    """The usage of several processes at one time.

    Attributes:
        seconds: Time since the first measurement.
        mebibytes: Resident memory, in which each shared page counts once.
        handles: Number of open files, pipes and sockets.
    """

    seconds: float
    mebibytes: float
    handles: int


@dataclass(frozen=True)
class Course:
    """The course of usage: medians of the second and the last quarter, and the maximum.

    The first quarter is left out, because libraries are loaded and caches fill in it.
    """

    before: Usage
    after: Usage
    most: Usage

    @property
    def is_flat(self) -> bool:
        """Whether memory grew by less than 5 %, and the number of handles did not grow."""
        is_same = self.after.handles <= self.before.handles
        return is_same and self.after.mebibytes < 1.05 * self.before.mebibytes

    def __str__(self) -> str:
        memory = f"{self.before.mebibytes:.0f} → {self.after.mebibytes:.0f} MiB"
        handles = f"{self.before.handles} → {self.after.handles} handles"
        return f"{memory} (most {self.most.mebibytes:.0f}), {handles} (most {self.most.handles})"


def usage_of(processes: Iterable[int], begin: float) -> Usage:
    """Measure processes now; those that have ended do not count.

    Args:
        processes: Numbers of the processes.
        begin: Time of the first measurement by ``time.monotonic``.
    """
    kibibytes = handles = 0
    for process in processes:
        with suppress(OSError):  # it has ended
            folder = Path("/proc", str(process))
            text = (folder / "smaps_rollup").read_text()
            handles += len(list((folder / "fd").iterdir()))
            kibibytes += int(text.split("\nPss:")[1].split()[0])
    return Usage(time.monotonic() - begin, kibibytes / 1024, handles)


def watch(process: "subprocess.Popen[bytes]", interval: float = 1.0) -> list[Usage]:
    """Measure a command that leads a process group until it ends."""
    begin, looks = time.monotonic(), []
    while process.poll() is None:
        looks.append(usage_of(in_group(process.pid), begin))
        time.sleep(interval)
    return looks


def course(looks: Sequence[Usage]) -> Course:
    """Return the course of at least four measurements.

    Raises:
        ValueError: There are fewer.
    """
    if len(looks) < 4:
        raise ValueError(f"{len(looks)} looks are too few to tell a course")
    quarter = len(looks) // 4
    return Course(_median(looks[quarter : 2 * quarter]), _median(looks[-quarter:]), _most(looks))


def _median(looks: Sequence[Usage]) -> Usage:
    columns = zip(*((x.seconds, x.mebibytes, x.handles) for x in looks), strict=True)
    seconds, mebibytes, handles = (statistics.median(column) for column in columns)
    return Usage(seconds, mebibytes, round(handles))


def _most(looks: Sequence[Usage]) -> Usage:
    return Usage(looks[-1].seconds, max(x.mebibytes for x in looks), max(x.handles for x in looks))
