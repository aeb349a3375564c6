"""Work on many items in the threads of this process."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def submit_ahead(
    executor: Executor, work: Callable[[T], R], items: Iterable[T], num_ahead: int
) -> Iterator[tuple[T, "Future[R]"]]:
    """Yield each item and the future of its result; later ones are submitted in advance."""
    rest = iter(items)
    pending = deque((item, executor.submit(work, item)) for item in islice(rest, num_ahead))
    while pending:
        first = pending.popleft()
        pending.extend((item, executor.submit(work, item)) for item in islice(rest, 1))
        yield first


def map_threads(work: Callable[[T], R], items: Iterable[T], num_threads: int) -> Iterator[R]:
    """Apply ``work`` to items in several threads and yield the results in order.

    Only a few results are buffered, because they may be large. After an error, running items are
    finished and no others start. With one thread, the calling thread does the work.
    """
    if num_threads <= 1:
        yield from map(work, items)
        return
    pool = ThreadPoolExecutor(num_threads)
    try:
        for _, result in submit_ahead(pool, work, items, 2 * num_threads):
            yield result.result()
    finally:
        pool.shutdown(cancel_futures=True)
