"""Reading, computing and writing overlap, and an error affects only its item."""

import threading
import time

import pytest

from gfm.errors import GFMError, WriteError
from gfm.inference.pipeline import process_overlapped, read_ahead, write_behind


def test_errors_affect_only_their_items():
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
    errors = {o.item: o.error for o in outcomes if o.error}
    assert errors == {1: "cannot read one", 3: "RuntimeError: out of memory", 5: "OSError: odd"}
    assert sorted(o.item for o in outcomes) == list(range(7))
    assert sorted(written) == [1, 21, 41, 61]


def test_reading_and_writing_overlap_with_computing():
    """Computing waits for events that only a concurrent read and write set."""
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


def test_few_items_are_in_memory():
    lock, in_memory, most = threading.Lock(), 0, 0

    def read(item):
        nonlocal in_memory, most
        with lock:
            in_memory += 1
            most = max(most, in_memory)
        return item

    def write(item, _):
        nonlocal in_memory
        time.sleep(0.002)
        with lock:
            in_memory -= 1

    assert len(list(process_overlapped(range(60), read, lambda x: x, write, num_threads=2))) == 60
    assert most <= 6  # two read ahead, one being computed, two or three being written


def test_a_full_disk_stops_everything():
    read = []

    def write(item, _):
        raise WriteError("cannot write: No space left on device")

    with pytest.raises(WriteError, match="No space"):
        list(process_overlapped(range(1000), read.append, lambda x: x, write))
    assert len(read) < 20


def test_read_ahead_is_ordered_and_bounded():
    produced = []

    def items():
        for item in range(20):
            produced.append(item)
            yield item
        raise GFMError("cannot read the rest")

    items_ahead = read_ahead(items(), 2)
    for item in range(20):
        assert next(items_ahead) == item
        time.sleep(0.002)
        assert len(produced) <= item + 3
    with pytest.raises(GFMError, match="the rest"):
        next(items_ahead)


def test_write_behind_is_ordered_and_bounded():
    written, most = [], 0

    def write(item):
        time.sleep(0.002)
        written.append(item)

    with write_behind(write, 2) as submit:
        for item in range(20):
            submit(item)
            most = max(most, item + 1 - len(written))
    assert written == list(range(20))
    assert most <= 3


def test_write_behind_raises_an_error_and_drops_the_rest():
    written = []

    def write(item):
        if item == 3:
            raise GFMError("cannot encode")
        written.append(item)

    def write_all():
        with write_behind(write, 1) as submit:
            for item in range(100):
                submit(item)

    with pytest.raises(GFMError, match="cannot encode"):
        write_all()
    assert len(written) < 10
