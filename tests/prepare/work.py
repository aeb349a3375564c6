"""Defines the work of workers in tests of the runner, which they import faster than the tests."""

import os
import time

from gfm.data.images import read_alpha, write_png
from gfm.prepare.runner import Item, Job


def job(items, make=None, num_bytes=10.0, is_close=False):
    """Return a job that copies pictures unless it is given other work."""
    return Job("copies", items, make or copy, lambda item, size: num_bytes, is_close)


def copy(item: Item) -> None:
    write_png(item.targets[0], read_alpha(item.sources[0]))


def copy_or_die(victim: str, item: Item) -> None:
    if item.sources[0].stem == victim:
        os._exit(9)
    copy(item)


def copy_slowly(item: Item) -> None:
    time.sleep(0.2)
    copy(item)
