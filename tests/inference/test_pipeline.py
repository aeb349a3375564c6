"""Reading, computing and writing overlap, and an error affects only its item."""

import threading
import time

import pytest

from gfm.errors import GFMError, WriteError
from gfm.inference.pipeline import process_overlapped, read_ahead, write_behind


def test_items_come_in_order_with_their_faults():
    written = []

    def read(item):
        if item == 1:
            raise GFMError("cannot read one")
        return 10 * item

    def compute(value):
        if value == 30:
            raise RuntimeError("out of\nmemory")
        return value + 1

    def write(item, value):
        if item == 5:
            raise OSError("odd")
        written.append(value)

    outcomes = list(process_overlapped(range(7), read, compute, write))
    faults = {o.item: o.error for o in outcomes if o.error}
    assert faults == {1: "cannot read one", 3: "RuntimeError: out of memory", 5: "OSError: odd"}
    assert sorted(o.item for o in outcomes) == list(range(7))
    assert sorted(written) == [1, 21, 41, 61]


def test_the_next_is_read_and_the_last_written_meanwhile():
    """Each stage waits for the one that can only come at the same time."""
    read_next, wrote_first = threading.Event(), threading.Event()

    def read(item):
        if item == 2:
            read_next.set()
        return item

    def compute(item):
        if item == 1:
            assert read_next.wait(30)
        if item == 2:
            assert wrote_first.wait(30)
        return item

    def write(item, _):
        if item == 1:
            wrote_first.set()

    outcomes = process_overlapped([1, 2, 3], read, compute, write, num_threads=1)
    assert [o.error for o in outcomes] == [None] * 3


def test_few_are_held_at_a_time():
    lock, held, most = threading.Lock(), 0, 0

    def read(item):
        nonlocal held, most
        with lock:
            held += 1
            most = max(most, held)
        return item

    def write(item, _):
        nonlocal held
        time.sleep(0.002)
        with lock:
            held -= 1

    assert len(list(process_overlapped(range(60), read, lambda x: x, write, num_threads=2))) == 60
    assert most <= 6  # two read ahead, one computed, two or three written


def test_a_full_disk_ends_it():
    read = []

    def write(item, _):
        raise WriteError("cannot write: No space left on device")

    with pytest.raises(WriteError, match="No space"):
        list(process_overlapped(range(1000), read.append, lambda x: x, write))
    assert len(read) < 20


def test_ahead_keeps_the_order_and_few():
    made = []

    def items():
        for item in range(20):
            made.append(item)
            yield item
        raise GFMError("cannot read the rest")

    coming = read_ahead(items(), 2)
    for item in range(20):
        assert next(coming) == item
        time.sleep(0.002)
        assert len(made) <= item + 3
    with pytest.raises(GFMError, match="the rest"):
        next(coming)


def test_behind_keeps_the_order_and_few():
    written, most = [], 0

    def write(item):
        time.sleep(0.002)
        written.append(item)

    with write_behind(write, 2) as later:
        for item in range(20):
            later(item)
            most = max(most, item + 1 - len(written))
    assert written == list(range(20))
    assert most <= 3


def test_behind_tells_a_fault_and_drops_the_rest():
    written = []

    def write(item):
        if item == 3:
            raise GFMError("cannot encode")
        written.append(item)

    def write_all():
        with write_behind(write, 1) as later:
            for item in range(100):
                later(item)

    with pytest.raises(GFMError, match="cannot encode"):
        write_all()
    assert len(written) < 10
