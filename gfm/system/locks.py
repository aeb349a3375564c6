"""Locks folders, so that each belongs to one run at a time."""

import atexit
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from gfm.errors import GFMError, WriteError
from gfm.system.ranks import is_global_zero

LOCK = ".lock"
"""File in a folder that a run is using; it names the process."""

_held: dict[Path, tuple[int, IO[str]]] = {}  # with the process, because a fork inherits the dict


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Claim a folder while the context lasts; see :func:`claim`."""
    claim(folder)
    try:
        yield
    finally:
        release(folder)


def claim(folder: Path) -> None:
    """Reserve a folder for this process until it releases the folder or ends.

    The lock is one of the system (POSIX), so it disappears when a run is killed, and other machines
    see it on a shared disk. Child processes do not inherit it. With several processes, the first
    one claims the folder for all. On a file system without locks, nothing is claimed.

    Raises:
        GFMError: Another run is using the folder.
        WriteError: The folder cannot be written.
    """
    path = (folder / LOCK).resolve()
    if not is_global_zero() or (path in _held and _held[path][0] == os.getpid()):
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise WriteError(
            f"cannot make {folder} ({reason}): choose another folder with paths.run="
        ) from error
    try:
        file = _lock(path)
    except BlockingIOError as error:
        raise GFMError(
            f"another run is using {folder} ({_owner(path)}): wait until it ends, or choose "
            "another folder with paths.run="
        ) from error
    except PermissionError as error:
        raise WriteError(f"cannot write to {folder}: {error.strerror}") from error
    except OSError:
        return
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
    file.flush()
    _held[path] = os.getpid(), file


def _lock(path: Path) -> IO[str]:
    while True:
        file = path.open("a+", encoding="utf-8")
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except PermissionError as error:  # how some systems report a lock of another
            file.close()
            raise BlockingIOError from error
        except OSError:
            file.close()
            raise
        # Otherwise its owner has removed it meanwhile, and the next process would make a new one.
        with suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                return file
        file.close()


def _owner(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="utf-8").strip() or "unknown"
    return "unknown"


def release(folder: Path) -> None:
    """Release a folder if this process claimed it."""
    _release((folder / LOCK).resolve())


def _release(path: Path) -> None:
    process, file = _held.get(path, (0, None))
    if file is None or process != os.getpid():
        return
    del _held[path]
    with suppress(OSError):
        path.unlink(missing_ok=True)
    file.close()


@atexit.register
def _release_all() -> None:
    for path in list(_held):
        _release(path)
