"""Slow tests run in a drawn order until the time is up."""

from pathlib import Path

import pytest

from tests.slow_share import _place

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
    """Runs the tests with a draw, and returns those that ran and the number that skipped."""
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
    assert files in ([files[0]] * 6 + [files[-1]] * 6, sorted(files))


def test_no_test_starts_when_the_time_is_up(order):
    ran, skipped = order("one", 0.12)
    assert 1 <= len(ran) < 12
    assert len(ran) + skipped == 12


def test_every_test_comes_early_within_a_few_draws():
    names = [(file, f"{file}::{n}") for file in "abcd" for n in range(4)]
    early = set()
    for draw in range(12):
        in_order = sorted(names, key=lambda name: [_place(str(draw), part) for part in name])
        early |= set(in_order[:4])
    assert len(early) >= 12
