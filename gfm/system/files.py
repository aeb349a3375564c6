"""Writes files that are complete or absent, and removes what killed runs left."""

import csv
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

STALE_SECONDS = 600
"""Seconds after which a temporary file belongs to no live run; writing takes far less."""


@contextmanager
def place_aside(path: Path) -> Iterator[Path]:
    """Yield a hidden path beside ``path``; what is written there is renamed to ``path`` at the end.

    Every file of the project is written this way, so neither readers nor other writers ever see
    half a file. The content is flushed to the disk before the file gets its name.

    Raises:
        WriteError: The disk is full, or the folder is missing or read-only.
    """
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        yield aside
        with aside.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that gets its name only when it is complete; see :func:`place_aside`.

    Raises:
        WriteError: The disk is full, or the folder is missing or read-only.
    """
    with place_aside(path) as aside, aside.open("wb") as file:
        yield file


def write_text(path: Path, text: str) -> None:
    """Write a text file that is complete or absent.

    Raises:
        WriteError: The disk is full, or the folder is missing or read-only.
    """
    with whole_file(path) as file:
        file.write(text.encode())


def write_table(path: Path, rows: Mapping[str, Mapping[str, float]]) -> None:
    """Write the numbers of named things, such as photos, as a CSV file.

    Args:
        path: File with the column ``name`` and one for each number.
        rows: Numbers by column, by name; at least one row. All rows have the same columns.

    Raises:
        WriteError: The disk is full, or the folder is missing or read-only.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, ["name", *next(iter(rows.values()))], lineterminator="\n")
    writer.writeheader()
    writer.writerows({"name": name, **row} for name, row in rows.items())
    write_text(path, text.getvalue())


def make_folder(folder: Path) -> None:
    """Make a folder unless it exists, check that it can be written, and clean up after killed runs.

    Raises:
        WriteError: The folder cannot be made or written.
    """
    probe = folder / f".{uuid.uuid4().hex[:8]}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise WriteError(f"cannot write to {folder}: {error.strerror or error}") from error
    remove_stale(folder)


def check_file(path: Path) -> None:
    """Check that a path leads to a file, because reading from a pipe would wait for ever.

    Raises:
        GFMError: The path leads nowhere, or to a folder, a pipe or a device.
    """
    try:
        is_file = stat.S_ISREG(path.stat().st_mode)
    except OSError as error:
        raise GFMError(f"cannot read {path}: {error.strerror or error}") from error
    if not is_file:
        raise GFMError(f"cannot read {path}: it is not a file; remove it, or put a file there")


def check_name(path: Path | str) -> None:
    """Check that a name is UTF-8, so that terminals, logs and tables can show it.

    Raises:
        GFMError: The name is not UTF-8.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise GFMError(f"{os.fsencode(path)!r} is a name that is not UTF-8: rename it") from error


def remove_stale(folder: Path, pattern: str = ".*.tmp") -> None:
    """Remove what killed runs left aside; what is younger may belong to another machine.

    Args:
        folder: Folder to look in.
        pattern: Pattern of the names; ``**/.*.tmp`` looks into sub-folders too.
    """
    for path in folder.glob(pattern):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def fingerprint_of_files(paths: Iterable[Path | None], with_times: bool = False) -> str:
    """Return a short fingerprint of files from their names and sizes, without reading them.

    Args:
        paths: Files; ``None`` stands for an absent one.
        with_times: Whether times count too, so that a file rewritten with the same size differs.

    Raises:
        GFMError: A file is not there.
    """
    digest = hashlib.sha256()
    for path in paths:
        parts: list[Any] = [None]
        if path is not None:
            try:
                found = path.stat()
            except OSError as error:
                raise GFMError(f"cannot read {path}: {error.strerror or error}") from error
            parts = [path.name, found.st_size, found.st_mtime_ns if with_times else None]
        digest.update(json.dumps(parts).encode())
    return digest.hexdigest()[:12]


def fingerprint_of_content(path: Path) -> str:
    """Return a short fingerprint of the bytes of a file."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:12]
