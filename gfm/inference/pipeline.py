"""Overlaps reading, computing and writing, using threads."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Generic, TypeVar

from gfm.errors import WriteError, one_line
from gfm.system.threads import submit_ahead

T = TypeVar("T")


@dataclass(frozen=True)  # Python 3.10 does not support generic NamedTuples
class Outcome(Generic[T]):
    """The outcome of reading, computing and writing an item.

    Attributes:
        item: The item.
        error: Error in one line; ``None`` if the results were written.
        seconds: Time spent computing, which excludes reading and writing.
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
) -> Iterator[Outcome[T]]:
    """Compute items in order, while threads read the next ones and write the previous ones.

    Decoding, encoding and the network release the GIL, so threads suffice: ``num_threads`` each for
    reading and writing, while ``compute`` runs in the calling thread. At most ``num_threads`` items
    are read ahead, and about as many wait to be written, so memory use is bounded. (From Python
    3.14, ``Executor.map`` can limit this, too.) An item that fails does not stop the others.

    Raises:
        WriteError: Writing failed; the next item would fail in the same way.
    """
    readers, writers = ThreadPoolExecutor(num_threads), ThreadPoolExecutor(num_threads)
    writing: deque[tuple[T, Future[None], float]] = deque()
    try:
        for item, value in submit_ahead(readers, read, items, num_threads):
            try:
                source = value.result()
                start = time.perf_counter()
                result = compute(source)
            except WriteError:
                raise
            except Exception as error:  # such as a photo too large for the device
                yield Outcome(item, one_line(error), 0.0)
                continue
            seconds = time.perf_counter() - start
            writing.append((item, writers.submit(write, item, result), seconds))
            while len(writing) > num_threads or (writing and writing[0][1].done()):
                yield _await_outcome(*writing.popleft())
        for written in writing:
            yield _await_outcome(*written)
    finally:
        readers.shutdown(cancel_futures=True)
        writers.shutdown(cancel_futures=True)


def _await_outcome(item: T, written: "Future[None]", seconds: float) -> Outcome[T]:
    """Wait until the results of an item are written."""
    try:
        written.result()
    except WriteError:
        raise
    except Exception as error:
        return Outcome(item, one_line(error), seconds)
    return Outcome(item, None, seconds)


def read_ahead(items: Iterable[T], num_items: int = 2) -> Generator[T, None, None]:
    """Yield items that a thread produces, at most ``num_items`` in advance.

    An error is raised in place of its item.
    """
    source, end = iter(items), object()
    with ThreadPoolExecutor(1) as thread:
        for _, future in submit_ahead(thread, lambda _: next(source, end), repeat(0), num_items):
            if (item := future.result()) is end:
                return
            yield item  # type: ignore[misc]  # `end` is excluded above


@contextmanager
def write_behind(write: Callable[..., None], num_waiting: int = 2) -> Iterator[Callable[..., None]]:
    """Provide a function that calls ``write`` in a thread, in order.

    It blocks while more than ``num_waiting`` calls are pending. An error is raised by a later call,
    or at the end of the context, which waits for all calls; after an error, pending calls are
    dropped.
    """
    pending: deque[Future[None]] = deque()
    thread = ThreadPoolExecutor(1)

    def submit(*arguments: Any) -> None:
        pending.append(thread.submit(write, *arguments))
        while len(pending) > num_waiting:
            pending.popleft().result()

    try:
        yield submit
        while pending:
            pending.popleft().result()
    finally:
        thread.shutdown(cancel_futures=True)
