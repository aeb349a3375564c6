"""Measures the CPU time of tests: ``pytest -n 0 -p tests.cpu_time --cpu-time=times.csv``."""

import csv
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the file."""
    parser.addoption("--cpu-time", type=Path, required=True, help="CSV file to append to")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Append the CPU seconds of a test and its fixtures: of this process, and its children."""
    before = cpu_seconds()
    result = yield
    spent = [after - start for start, after in zip(before, cpu_seconds(), strict=True)]
    with item.config.getoption("--cpu-time").open("a", newline="") as file:
        csv.writer(file).writerow([item.nodeid, *(f"{seconds:.2f}" for seconds in spent)])
    return result


def cpu_seconds() -> list[float]:
    """Return the CPU time of this process, and that of its descendants."""
    own, ended = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    running = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    stats = [Path(f"/proc/{number}/stat").read_text().rpartition(")")[2] for number in running]
    ticks = sum(int(ticks) for stat in stats for ticks in stat.split()[11:15])
    children = ended.ru_utime + ended.ru_stime + ticks / os.sysconf("SC_CLK_TCK")
    return [own.ru_utime + own.ru_stime, children]
