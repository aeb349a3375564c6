"""Files that are complete or absent, what killed runs leave beside them, and fingerprints."""

import hashlib
import json
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from gfm.errors import WriteError

STALE_SECONDS = 600
"""A temporary file is written in far less time; an older one belongs to no live run."""


@contextmanager
def place_aside(path: Path) -> Iterator[Path]:
    """A hidden path beside ``path``, which is renamed to it when what is written there is complete.

    Every file of the project is written this way, so neither readers nor other writers ever meet
    half a file. The content is flushed to the disk before the file gets its name.

    Raises:
        WriteError: the disk is full, or the folder is missing or read-only.
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
    """An open file that takes its name when it is complete; see :func:`place_aside`.

    Raises:
        WriteError: the disk is full, or the folder is missing or read-only.
    """
    with place_aside(path) as aside, aside.open("wb") as file:
        yield file


def write_text(path: Path, text: str) -> None:
    """Writes a text file that is complete or absent.

    Raises:
        WriteError: the disk is full, or the folder is missing or read-only.
    """
    with whole_file(path) as file:
        file.write(text.encode())


def make_folder(folder: Path) -> None:
    """Makes a folder if need be, checks that it can be written, removes what killed runs left.

    Raises:
        WriteError: it cannot be made or written.
    """
    probe = folder / f".{uuid.uuid4().hex[:8]}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise WriteError(f"cannot write to {folder}: {error.strerror or error}") from error
    remove_stale(folder)


def remove_stale(folder: Path) -> None:
    """Removes temporary files of killed runs; younger ones may belong to another machine."""
    for path in folder.glob(".*.tmp"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > STALE_SECONDS:
                path.unlink()


def fingerprint_of_files(paths: Iterable[Path | None], with_times: bool = False) -> str:
    """A short fingerprint of files by their names and sizes, without reading them.

    Args:
        paths: of the files; ``None`` stands for one that is absent.
        with_times: whether a file that was written again with the same size counts as another.
    """
    digest = hashlib.sha256()
    for path in paths:
        parts: list[Any] = [None]
        if path is not None:
            stat = path.stat()
            parts = [path.name, stat.st_size, stat.st_mtime_ns if with_times else None]
        digest.update(json.dumps(parts).encode())
    return digest.hexdigest()[:12]


def fingerprint_of_content(path: Path) -> str:
    """A short fingerprint of a file's bytes."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:12]
