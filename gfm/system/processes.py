"""Work on many items with all cores."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Generic, TypeVar

from gfm.errors import GFMError, WriteError

# Nothing heavy is imported above: `start_worker` has to come before the libraries it restrains.

T = TypeVar("T")
R = TypeVar("R")

_CAN_TELL_SENDERS = hasattr(signal, "sigwaitinfo")  # not on macOS
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Outcome(Generic[T, R]):
    """What became of an item: its result, or what went wrong in one line; and the time it took."""

    item: T
    result: R | None
    fault: str | None
    seconds: float


def num_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def start_worker() -> None:
    """Makes a worker use one core, leave Control-C to its parent, and end when that is gone."""
    for name in _THREADS:
        os.environ[name] = "1"
    import cv2

    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def sigterm_held() -> Iterator[None]:
    """Processes that are started meanwhile do not get SIGTERM, in none of their threads."""
    if not _CAN_TELL_SENDERS:
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def heed_parent_alone(_: int) -> None:
    """Ends a DataLoader's worker, started as above, at a SIGTERM that its parent sent.

    Control-C, which a terminal sends to all, is left to the parent, which finishes its step first.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if _CAN_TELL_SENDERS:
        threading.Thread(target=_exit_when_told_by_parent, daemon=True).start()


def _exit_when_told_by_parent() -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)


def in_parallel(
    work: Callable[[T], R], items: Sequence[T], num_workers: int
) -> Iterator[Outcome[T, R]]:
    """Outcomes in the order in which they come; an item's failure does not stop the others.

    Workers are fresh interpreters: a forked one would inherit threads' locks and hang. So ``work``
    must be importable by name (or a ``partial`` of such a function). One worker is this process.

    Args:
        work: is called with each item.
        items: to work on.
        num_workers: processes at most.

    Raises:
        WriteError: from ``work``, since the next item would not fare better.
        GFMError: a worker was killed.
    """
    attempt = partial(_attempt, work)
    num_workers = min(num_workers, len(items))
    if num_workers <= 1:
        yield from map(attempt, items)
        return
    before = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(num_workers, context, start_worker)
    # Two items for each: the next one waits at hand, and a stop need not drain a long queue.
    rest = iter(items)
    running: dict[Future[Outcome[T, R]], T] = {}
    try:
        while True:
            for item in islice(rest, 2 * num_workers - len(running)):
                running[pool.submit(attempt, item)] = item
            if not running:
                break
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                outcome = future.result()
                del running[future]
                yield outcome
    except BrokenProcessPool as error:
        # Results may have come in that were not looked at yet.
        lost = [item for future, item in running.items() if not _is_good(future)]
        suspects = ", ".join(str(item) for item in lost)
        raise GFMError(
            f"a worker process was killed, often for want of memory, at one of: {suspects}; "
            "the same command goes on from here, perhaps with fewer --workers"
        ) from error
    finally:
        # What is unfinished is given up: files are written aside, so none is left half-written.
        if running:
            for child in set(multiprocessing.active_children()) - before:
                child.terminate()
        pool.shutdown(cancel_futures=True)


def _is_good(future: Future[Any]) -> bool:
    return future.done() and future.exception() is None


def _attempt(work: Callable[[T], R], item: T) -> Outcome[T, R]:
    start = time.monotonic()
    result, fault = None, None
    try:
        result = work(item)
    except WriteError:
        raise
    except GFMError as error:
        fault = str(error)
    except MemoryError:
        fault = "not enough memory: try again with fewer --workers"
    except Exception as error:  # whatever a library throws at an odd file, the others go on
        text = " ".join(str(error).split())
        fault = f"{type(error).__name__}: {text}"
    return Outcome(item, result, fault, time.monotonic() - start)
