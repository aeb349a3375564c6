"""Locks on folders, so that only one run at a time writes to each.

Why not ``filelock``? It uses ``flock``. On some network file systems, other machines do not see its
locks. Forked processes, such as loader workers, inherit them unless they run Python's fork hooks.
``filelock`` also leaves the lock file behind. On file systems without locks, it falls back to a
lock that outlives a killed run.
"""

import atexit
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from gfm.errors import GFMError, WriteError
from gfm.system.ranks import is_global_zero
from gfm.system.run_folder import check_links

LOCK = ".lock"
"""Lock file in a folder that a run is using; its content names the process."""

_held: dict[Path, IO[str]] = {}
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_held.clear)  # a child process inherits no POSIX locks


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder within the context; see :func:`acquire_lock`."""
    acquire_lock(folder)
    try:
        yield
    finally:
        release_lock(folder)


def acquire_lock(folder: Path) -> None:
    """Lock a folder until the lock is released or this process ends; make a missing folder.

    The lock vanishes with its process, even a killed one, and works across machines on a
    shared disk. Only global rank zero locks, on behalf of all ranks. Acquiring a held lock again,
    or one on a file system without locks, does nothing.

    Raises:
        GFMError: Another run is using the folder, or a link leads out of it.
        WriteError: The folder cannot be written.
    """
    path = _lock_file(folder)
    if not is_global_zero() or path in _held:
        return
    check_links(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise WriteError(
            f"cannot make {folder} ({reason}): choose another folder with paths.run="
        ) from error
    try:
        file = _open_locked(path)
    except BlockingIOError as error:
        raise GFMError(
            f"another run is using {folder} ({_owner(path)}): wait until it ends, or choose "
            "another folder with paths.run="
        ) from error
    except PermissionError as error:
        raise WriteError(f"cannot write to {folder}: {error.strerror}") from error
    except OSError:  # a file system without locks
        return
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
    file.flush()
    _held[path] = file


def release_lock(folder: Path) -> None:
    """Release the lock of a folder and remove its file, if this process holds it."""
    path = _lock_file(folder)
    file = _held.pop(path, None)
    if file is not None:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        file.close()


@atexit.register
def _release_all() -> None:
    for path in list(_held):
        release_lock(path.parent)


def _lock_file(folder: Path) -> Path:
    return (folder / LOCK).resolve()


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[str]) -> None:
        file.seek(1 << 30)  # nobody can read a locked byte, and this one is beyond the text
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: IO[str]) -> None:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _open_locked(path: Path) -> IO[str]:
    while True:
        file = path.open("a+", encoding="utf-8")
        try:
            _lock(file)
        except PermissionError as error:  # a held lock, on Windows and some POSIX systems
            file.close()
            raise BlockingIOError from error
        except OSError:
            file.close()
            raise
        # Try again if the previous owner has unlinked this file: others would lock a new one.
        with suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                return file
        file.close()


def _owner(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="utf-8").strip() or "unknown"
    return "unknown"
