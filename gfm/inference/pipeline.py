"""Reads, computes and writes at the same time."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

from gfm.errors import WriteError, one_line

T = TypeVar("T")


@dataclass(frozen=True)  # Python 3.10 allows no generic NamedTuple
class Attempt(Generic[T]):
    """The outcome of reading, computing and writing an item.

    Attributes:
        item: Item as it was given.
        error: Error in one line; ``None`` if the results are written.
        seconds: Time spent computing, without the time spent waiting for the item to be read.
    """

    item: T
    error: str | None
    seconds: float


def process_overlapped(
    items: Iterable[T],
    read: Callable[[T], Any],
    compute: Callable[[Any], Any],
    write: Callable[[T, Any], None],
    num_threads: int = 2,
) -> Iterator[Attempt[T]]:
    """Process items, reading the next one and writing the previous one during computation.

    Decoding, encoding and the network release Python's lock, so threads are enough. At most
    ``num_threads`` items are read ahead, and as many wait to be written, so the memory does not
    grow with the number of items. An item that fails does not stop the others.

    Args:
        items: Items to process, in this order.
        read: Reads an item, in a thread.
        compute: Computes the results from what was read, in the calling thread.
        write: Writes the results, in a thread.
        num_threads: Number of threads for reading, and again for writing.

    Yields:
        The attempt at each item.

    Raises:
        WriteError: Writing failed; the next item would fail in the same way.
    """
    rest = iter(items)
    reading: deque[tuple[T, Future[Any]]] = deque()
    writing: deque[tuple[T, Future[None], float]] = deque()
    readers, writers = ThreadPoolExecutor(num_threads), ThreadPoolExecutor(num_threads)

    def submit_reads() -> None:
        for item in islice(rest, num_threads - len(reading)):
            reading.append((item, readers.submit(read, item)))

    try:
        submit_reads()
        while reading:
            item, source = reading.popleft()
            submit_reads()
            error_text = _error_of(source)
            if error_text is None:
                start = time.perf_counter()
                try:
                    result = compute(source.result())
                    seconds = time.perf_counter() - start
                    writing.append((item, writers.submit(write, item, result), seconds))
                except Exception as error:  # such as a photo too large for the device
                    error_text = one_line(error)
            if error_text is not None:
                yield Attempt(item, error_text, 0.0)
            while len(writing) > num_threads or (writing and writing[0][1].done()):
                yield _written(*writing.popleft())
        while writing:
            yield _written(*writing.popleft())
    finally:
        readers.shutdown(cancel_futures=True)
        writers.shutdown(cancel_futures=True)


def _written(item: T, future: "Future[None]", seconds: float) -> Attempt[T]:
    return Attempt(item, _error_of(future), seconds)


def _error_of(future: "Future[Any]") -> str | None:
    error = future.exception()
    if error is None:
        return None
    if isinstance(error, WriteError) or not isinstance(error, Exception):
        raise error
    return one_line(error)


def read_ahead(items: Iterable[T], num_items: int = 2) -> Generator[T, None, None]:
    """Yield the same items, produced in a thread, at most ``num_items`` in advance.

    An error is raised where its item would be yielded.
    """
    source, end = iter(items), object()
    with ThreadPoolExecutor(1) as thread:
        making = deque(thread.submit(next, source, end) for _ in range(num_items))
        while (item := making.popleft().result()) is not end:
            making.append(thread.submit(next, source, end))
            yield item  # type: ignore[misc]  # mypy does not know that it is not the end


@contextmanager
def write_behind(write: Callable[..., None], num_waiting: int = 2) -> Iterator[Callable[..., None]]:
    """Provide a function that calls ``write`` in a thread, in order.

    It blocks while more than ``num_waiting`` calls are pending. An error is raised by a later call,
    or at the end of the context, which waits for all calls; pending calls are then dropped.
    """
    calls: deque[Future[None]] = deque()
    thread = ThreadPoolExecutor(1)

    def later(*arguments: Any) -> None:
        calls.append(thread.submit(write, *arguments))
        while len(calls) > num_waiting:
            calls.popleft().result()

    try:
        yield later
        while calls:
            calls.popleft().result()
    finally:
        thread.shutdown(cancel_futures=True)
