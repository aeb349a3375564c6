"""Files that are whole or not there, and what killed runs leave beside them."""

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from gfm.errors import WriteError

STALE_SECONDS = 600
"""A temporary file is written in far less time; an older one belongs to no live run."""


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which takes its name when it is complete and on the disk.

    Until then it has a hidden name of its own, so neither readers nor other writers meet it.

    Raises:
        WriteError: the disk is full, or the folder is missing or read-only.
    """
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with aside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Makes a folder if need be, tries whether it can be written, removes what killed runs left.

    Raises:
        WriteError: it cannot be made or written.
    """
    probe = folder / f".{uuid.uuid4().hex[:8]}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
        for path in folder.glob(".*.tmp"):
            # Younger ones may belong to another machine's shard.
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > STALE_SECONDS:
                    path.unlink()
    except OSError as error:
        raise WriteError(f"cannot write to {folder}: {error.strerror or error}") from error
