"""Work on many items in the threads of this process."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_threads(work: Callable[[T], R], items: Iterable[T], num_threads: int) -> Iterator[R]:
    """Apply ``work`` to items in several threads and yield the results in order.

    Only a few results are buffered, because they may be large. After an error, running items are
    finished and no others start. With one thread, the calling thread does the work.
    """
    if num_threads <= 1:
        yield from map(work, items)
        return
    rest = iter(items)
    waiting: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(num_threads)
    try:
        while True:
            for item in islice(rest, 2 * num_threads - len(waiting)):
                waiting.append(pool.submit(work, item))
            if not waiting:
                return
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
