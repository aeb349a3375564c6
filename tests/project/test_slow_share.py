"""Slow tests run in a random order until the time is up."""

from pathlib import Path

import pytest

from tests.slow_share import place

pytest_plugins = ["pytester"]

TESTS = """
import pytest, time
@pytest.mark.parametrize("n", range(6))
def test_one(n):
    time.sleep(0.05)
    print("ran", n)
"""


@pytest.fixture
def order(pytester, monkeypatch):
    """Return a function that runs tests, and returns those that ran and how many were skipped."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name in "ab":
        pytester.makepyfile(**{f"test_{name}": TESTS})

    def run(draw, seconds=60):
        options = ["-p", "tests.slow_share", f"--draw={draw}", f"--seconds={seconds}", "-vs"]
        result = pytester.runpytest_inprocess(*options)
        lines = [line for line in result.outlines if "::test_one" in line]
        ran = [line.split()[0] for line in lines if "SKIPPED" not in line]
        return ran, len(lines) - len(ran)

    return run


def test_the_draw_decides_the_order(order):
    first, skipped = order("one")
    assert (len(set(first)), skipped) == (12, 0)
    assert order("one")[0] == first
    assert order("two")[0] != first
    files = [name.split("::")[0] for name in first]
    assert all(len(set(files[i : i + 2])) == 2 for i in range(0, 12, 2))  # the files take turns


def test_no_test_starts_when_the_time_is_up(order):
    ran, skipped = order("one", 0.12)
    assert 1 <= len(ran) < 12
    assert len(ran) + skipped == 12


def test_nearly_every_test_comes_early_within_a_dozen_draws():
    names = [str(n) for n in range(100)]
    early = [sorted(names, key=lambda name: place(str(draw), name))[:20] for draw in range(12)]
    assert len({name for draw in early for name in draw}) > 85
