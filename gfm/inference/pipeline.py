"""Reading, computing and writing at the same time."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import Any, Generic, NamedTuple, TypeVar

from gfm.errors import GFMError, WriteError

T = TypeVar("T")


class Outcome(NamedTuple, Generic[T]):
    """What became of an item.

    Attributes:
        item: as it was given.
        fault: what went wrong in one line; ``None`` if its results are written.
        seconds: that were spent computing, without waiting for what is read.
    """

    item: T
    fault: str | None
    seconds: float


def overlapped(
    items: Iterable[T],
    read: Callable[[T], Any],
    compute: Callable[[Any], Any],
    write: Callable[[T, Any], None],
    num_threads: int = 2,
) -> Iterator[Outcome[T]]:
    """Works on items, reading the next and writing the last while one is computed.

    Decoding, encoding and the network release Python's lock, so threads suffice. At most
    ``num_threads`` items are read ahead and as many wait to be written, so memory does not grow
    with their number. An item's fault does not stop the others.

    Args:
        items: to work on, in this order.
        read: in a thread.
        compute: in this thread, from what was read to what is to be written.
        write: in a thread.
        num_threads: of reading, and again of writing.

    Raises:
        WriteError: from ``write``, since the next item would not fare better.
    """
    rest = iter(items)
    reading: deque[tuple[T, Future[Any]]] = deque()
    writing: deque[tuple[T, Future[None], float]] = deque()
    readers, writers = ThreadPoolExecutor(num_threads), ThreadPoolExecutor(num_threads)

    def read_ahead() -> None:
        for item in islice(rest, num_threads - len(reading)):
            reading.append((item, readers.submit(read, item)))

    try:
        read_ahead()
        while reading:
            item, source = reading.popleft()
            read_ahead()
            fault = _fault_of(source)
            if fault is None:
                start = time.perf_counter()
                try:
                    result = compute(source.result())
                    seconds = time.perf_counter() - start
                    writing.append((item, writers.submit(write, item, result), seconds))
                except Exception as error:  # a photo too large for the device: the others go on
                    fault = one_line(error)
            if fault is not None:
                yield Outcome(item, fault, 0.0)
            while len(writing) > num_threads or (writing and writing[0][1].done()):
                yield _written(*writing.popleft())
        while writing:
            yield _written(*writing.popleft())
    finally:
        readers.shutdown(cancel_futures=True)
        writers.shutdown(cancel_futures=True)


def _written(item: T, future: "Future[None]", seconds: float) -> Outcome[T]:
    return Outcome(item, _fault_of(future), seconds)


def _fault_of(future: "Future[Any]") -> str | None:
    error = future.exception()
    if error is None:
        return None
    if isinstance(error, WriteError) or not isinstance(error, Exception):
        raise error
    return one_line(error)


def one_line(error: Exception) -> str:
    """Of a fault of the input its message, of any other its kind as well."""
    text = " ".join(str(error).split())
    return text if isinstance(error, GFMError) else f"{type(error).__name__}: {text}"


def ahead(items: Iterable[T], num_items: int = 2) -> Generator[T, None, None]:
    """The same items in the same order, made in a thread, at most that many in advance.

    A fault of the items is raised in its turn.
    """
    source, end = iter(items), object()
    with ThreadPoolExecutor(1) as thread:
        making = deque(thread.submit(next, source, end) for _ in range(num_items))
        while (item := making.popleft().result()) is not end:
            making.append(thread.submit(next, source, end))
            yield item  # type: ignore[misc]  # mypy does not know that it is not the end


@contextmanager
def behind(write: Callable[..., None], num_waiting: int = 2) -> Iterator[Callable[..., None]]:
    """A function that has a thread do what ``write`` does, call after call in their order.

    It waits where more than ``num_waiting`` calls are undone. A fault of one is raised by a later
    one or at the end of the context, where all are done; after a fault the others are dropped.
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
