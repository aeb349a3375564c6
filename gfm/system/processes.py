"""Runs work on many items with all cores."""

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

# Nothing heavy is imported above: `start_worker` must run before the libraries that it limits.

T = TypeVar("T")
R = TypeVar("R")

_CAN_TELL_SENDERS = hasattr(signal, "sigwaitinfo")  # not on macOS
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Outcome(Generic[T, R]):
    """The result of an item or, if it failed, the fault in one line; and the time that it took."""

    item: T
    result: R | None
    fault: str | None
    seconds: float


def num_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def heed_hangup() -> None:
    """Make SIGHUP, which a closed terminal sends, end this process as SIGTERM does.

    By default the process would end at once, without saving anything to resume from. A process
    started with ``nohup`` goes on ignoring SIGHUP.
    """
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))


def start_worker() -> None:
    """Make a worker use one core, ignore Control-C, and end when its parent is gone."""
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
    """Block SIGTERM, so that child processes inherit the mask.

    None of their threads receives the signal then.
    """
    if not _CAN_TELL_SENDERS:
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def heed_parent_alone(_: int) -> None:
    """End a DataLoader's worker when its parent, and nobody else, sends SIGTERM.

    The worker must have been started within :func:`sigterm_held`. Control-C, which a terminal sends
    to all processes, is left to the parent, which finishes its step first.
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
    """Work on items in several processes and yield their outcomes as they finish.

    The failure of an item does not stop the others. Workers are fresh interpreters, because a
    forked one would inherit the locks of threads and hang. Therefore ``work`` must be importable by
    its name, or a ``partial`` of such a function. With one worker, this process does the work.

    Args:
        work: Function that is called with each item.
        items: Items to work on.
        num_workers: Largest number of processes.

    Raises:
        WriteError: ``work`` raised it; the next item would fail in the same way.
        GFMError: A worker was killed.
    """
    attempt = partial(_attempt, work)
    num_workers = min(num_workers, len(items))
    if num_workers <= 1:
        yield from map(attempt, items)
        return
    before = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(num_workers, context, start_worker)
    # Two items per worker: the next one is at hand, and stopping leaves no long queue.
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
        # Some results may have arrived that were not handled yet.
        lost = [item for future, item in running.items() if not _is_good(future)]
        suspects = ", ".join(str(item) for item in lost)
        raise GFMError(
            f"a worker process was killed, often for lack of memory, at one of: {suspects}; "
            "run the same command again to go on, perhaps with fewer --workers"
        ) from error
    finally:
        # Unfinished items are given up. Files are written aside, so none is left half-written.
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
    except Exception as error:  # a library may raise anything at an odd file; go on with the others
        text = " ".join(str(error).split())
        fault = f"{type(error).__name__}: {text}"
    return Outcome(item, result, fault, time.monotonic() - start)
