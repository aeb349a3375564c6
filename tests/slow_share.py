"""Runs slow tests in a drawn order until the time is up: ``make slow``.

One row of each parametrised test comes first, then the second rows, and so on. A test that has
not started when the time is up is skipped. The draw is any word: with the commit
hash, each commit runs a different share, and running the same commit again repeats it.
"""

import hashlib
import time
from collections import Counter

import pytest

_END = pytest.StashKey[float]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the draw."""
    parser.addoption("--draw", required=True, help="word that decides the order, such as a commit")
    parser.addoption("--seconds", type=float, default=150, help="time after which tests skip")


def pytest_report_header(config: pytest.Config) -> str:
    """Return the line that tells how to repeat the order."""
    return f"slow tests in the order of --draw={config.getoption('--draw')}"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the tests in the drawn order, and start the clock."""
    draw = config.getoption("--draw")
    items.sort(key=lambda item: place(draw, item.nodeid))
    counts = Counter[str]()
    turns = {}
    for item in items:
        test = item.nodeid.partition("[")[0]
        turns[item] = counts[test]
        counts[test] += 1
    items.sort(key=turns.__getitem__)
    config.stash[_END] = time.monotonic() + config.getoption("--seconds")


def place(draw: str, name: str) -> str:
    """Return a text by which tests are sorted."""
    return hashlib.sha256(f"{draw} {name}".encode()).hexdigest()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test if the time is up."""
    if time.monotonic() > item.config.stash[_END]:
        pytest.skip("time is up")
