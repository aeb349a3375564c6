"""Work on many items in parallel, and the signals that end processes."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Generic, TypeVar

from gfm.errors import TERMINATED, GFMError, WriteError, one_line

T = TypeVar("T")
R = TypeVar("R")

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class TaskResult(Generic[T, R]):
    """The result of an item, or the error in one line if it failed, and the time it took."""

    item: T
    result: R | None
    error: str | None
    seconds: float


def handle_like_sigterm() -> None:
    """Handle SIGHUP, SIGUSR1 and SIGUSR2 like SIGTERM, so that the run is saved.

    A closing terminal sends SIGHUP, and SLURM sends SIGUSR1 or SIGUSR2 if ``--signal`` asks for it.
    A signal that is already handled or ignored (by submitit, or by ``nohup``) stays so. Lightning's
    own handler of SIGUSR1 would save a checkpoint at once, and ranks that are a step apart would
    deadlock.
    """
    for name in ("SIGHUP", "SIGUSR1", "SIGUSR2"):
        number = getattr(signal, name, None)  # not on Windows
        if number and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda *_: os.kill(os.getpid(), signal.SIGTERM))


@contextmanager
def exit_on_sigterm() -> Iterator[None]:
    """Turn SIGTERM into SystemExit, so that temporary files are removed and failures are listed."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def block_sigterm() -> Iterator[None]:
    """Block SIGTERM, so that child processes, and all their threads, inherit the mask."""
    if sys.platform == "win32" or sys.platform == "darwin":  # they lack sigwaitinfo
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def accept_only_parent_sigterm(_: int) -> None:
    """Make a DataLoader worker ignore Control-C, and SIGTERM unless its parent sends it.

    A ``worker_init_fn`` for workers started within :func:`block_sigterm`. Schedulers and terminals
    signal all processes, but the parent needs its workers to finish the step.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "win32" or sys.platform == "darwin":
        return

    def exit_on_sigterm_of_parent() -> None:
        while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
            pass
        os._exit(0)

    threading.Thread(target=exit_on_sigterm_of_parent, daemon=True).start()


def map_unordered(
    work: Callable[[T], R],
    items: Sequence[T],
    num_workers: int,
    advice: str = "fewer --workers",
) -> Iterator[TaskResult[T, R]]:
    """Apply ``work`` to items in several processes and yield the results as they finish.

    An item that fails does not stop the others. Workers are fresh interpreters, because forked ones
    inherit the locks of threads and may hang; so ``work`` must be importable by name, or a
    ``partial`` of such a function. With one worker, this process does the work. ``advice`` says
    what to try if memory runs out.

    Raises:
        WriteError: ``work`` raised it; the next item would fail in the same way.
        GFMError: A worker was killed. (``multiprocessing.Pool`` would wait for it forever.)
    """
    attempt = partial(_attempt, work, advice)
    num_workers = min(num_workers, len(items))
    if num_workers <= 1:
        yield from map(attempt, items)
        return
    running: dict[Future[TaskResult[T, R]], T] = {}
    try:
        with _worker_pool(num_workers) as pool:
            # Two items per worker keep it busy without a long queue to cancel.
            yield from _as_finished(partial(pool.submit, attempt), items, 2 * num_workers, running)
    except BrokenProcessPool as error:
        # Items whose results have arrived but were not yet yielded are not suspects.
        suspects = ", ".join(str(item) for future, item in running.items() if not _is_good(future))
        raise GFMError(
            f"a worker process was killed, often for lack of memory, at one of: {suspects}; "
            f"run the same command again to continue, perhaps with {advice}"
        ) from error


def _as_finished(
    submit: Callable[[T], Future[R]],
    items: Iterable[T],
    most_running: int,
    running: dict[Future[R], T],
) -> Iterator[R]:
    """Submit items, and yield results as they finish; ``running`` holds the unfinished items."""
    rest = iter(items)
    while True:
        for item in islice(rest, most_running - len(running)):
            running[submit(item)] = item
        if not running:
            return
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            result = future.result()
            del running[future]
            yield result


@contextmanager
def _worker_pool(num_workers: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of fresh interpreters, which are terminated if an error interrupts the work."""
    before = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(num_workers, context, _initialize_worker)
    try:
        yield pool
    except BaseException:  # safe to terminate: writes are atomic
        for child in set(multiprocessing.active_children()) - before:
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _is_good(future: Future[Any]) -> bool:
    return future.done() and future.exception() is None


def _initialize_worker() -> None:
    """Make a worker use one core, ignore Control-C, and exit with its parent."""
    for name in _THREADS:
        os.environ[name] = "1"
    import cv2  # imported here, because libraries read the variables on import

    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _attempt(work: Callable[[T], R], advice: str, item: T) -> TaskResult[T, R]:
    start = time.monotonic()
    result, message = None, None
    try:
        result = work(item)
    except WriteError:
        raise
    except MemoryError:
        message = f"not enough memory: try again with {advice}"
    except Exception as error:  # libraries may raise anything on an unusual file
        message = one_line(error)
    return TaskResult(item, result, message, time.monotonic() - start)
