"""Atomic writes, checks of paths, and fingerprints of files."""

import csv
import errno
import hashlib
import io
import json
import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from gfm.errors import GFMError, WriteError

# EINVAL: FAT and exFAT reject names with a colon. EFBIG: FAT limits files to 4 GB.
_ERRORS_OF_PATH = {errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EINVAL, errno.EFBIG}

STALE_SECONDS = 600
"""Age in seconds above which a temporary file is stale; longer writes must touch theirs."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a hidden path beside ``path``, and rename the file written there to ``path``.

    All files of the project are written in this way, so that readers never see a partial file. The
    content is flushed to the disk before the file is renamed.

    Raises:
        WriteError: The disk is full, or the folder is missing or read-only.
        GFMError: The path cannot be a file: for example, the name is too long or a folder's.
    """
    temporary = temporary_beside(path)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def temporary_beside(path: Path) -> Path:
    """Return a new hidden path with a short name in the same folder."""
    return path.with_name(f".{uuid.uuid4().hex[:16]}.tmp")


def write_error(path: Path, error: OSError) -> GFMError:
    """Return a WriteError, or a GFMError if other files may still be written."""
    kind = GFMError if error.errno in _ERRORS_OF_PATH else WriteError
    return kind(f"cannot write {path}: {error.strerror or error}")


@contextmanager
def open_atomic(path: Path) -> Iterator[BinaryIO]:
    """Open a file for an atomic write; see :func:`atomic_path`, also for errors."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        yield file


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically; see :func:`atomic_path`, also for errors."""
    with open_atomic(path) as file:
        file.write(text.encode())


def write_table(path: Path, rows: Mapping[str, Mapping[str, Any]], index: str = "name") -> None:
    """Write named rows as CSV; the column ``index`` holds the names.

    All rows have the same columns. See :func:`atomic_path` for errors.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, [index, *next(iter(rows.values()), ())], lineterminator="\n")
    writer.writeheader()
    writer.writerows({index: name, **row} for name, row in rows.items())
    write_text(path, text.getvalue())


def read_table(path: Path) -> dict[str, dict[str, float]]:
    """Read a table written by :func:`write_table`.

    Raises:
        GFMError: The file is missing or damaged.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        return {line.pop("name"): {k: float(v) for k, v in line.items()} for line in lines}
    except (OSError, ValueError, TypeError, KeyError, csv.Error) as error:
        raise GFMError(
            f"{path} is damaged or not the table of an evaluation: repeat the evaluation"
        ) from error


def make_folder(folder: Path) -> None:
    """Make a folder if missing, check that it is writable, and remove stale temporary files.

    Raises:
        WriteError: The folder cannot be made or written.
    """
    probe = temporary_beside(folder / "probe")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise WriteError(f"cannot write to {folder}: {error.strerror or error}") from error
    remove_stale(folder)


def ignores_case(folder: Path) -> bool:
    """Return whether a folder's file system ignores case; make the folder if it is missing.

    Raises:
        WriteError: The folder cannot be made or written.
    """
    make_folder(folder)
    probe = temporary_beside(folder / "probe")
    probe.touch()
    try:
        return probe.with_name(probe.name.upper()).exists()
    finally:
        probe.unlink()


def check_file(path: Path) -> None:
    """Check that a path is a regular file; reading from a pipe could block forever.

    Raises:
        GFMError: The path does not exist, or is a folder, a pipe or a device.
    """
    try:
        is_file = stat.S_ISREG(path.stat().st_mode)
    except OSError as error:
        raise GFMError(f"cannot read {path}: {error.strerror or error}") from error
    if not is_file:
        raise GFMError(f"cannot read {path}: it is not a regular file; replace it with one")


def check_name(path: Path | str) -> None:
    """Raise GFMError unless a name is UTF-8, which terminals, logs and tables need."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise GFMError(f"the name {os.fsencode(path)!r} is not UTF-8: rename it") from error


def remove_stale(folder: Path, pattern: str = ".*.tmp") -> None:
    """Remove killed runs' temporary files; younger ones may be in use on another machine.

    The pattern ``**/.*.tmp`` includes sub-folders.
    """
    for path in folder.glob(pattern):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def fingerprint_of_files(paths: Iterable[Path | None]) -> str:
    """Return a short hash of the names and sizes of files, without reading them.

    ``None`` stands for an absent file.

    Raises:
        GFMError: A file is missing.
    """
    digest = hashlib.sha256()
    for path in paths:
        parts: list[Any] = [None]
        if path is not None:
            try:
                found = path.stat()
            except OSError as error:
                raise GFMError(f"cannot read {path}: {error.strerror or error}") from error
            parts = [path.name, found.st_size, None]  # the None keeps hashes as in earlier runs
        digest.update(json.dumps(parts).encode())
    return digest.hexdigest()[:12]


def fingerprint_of_content(path: Path) -> str:
    """Return a short hash of a file's content."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:12]
