"""Writes weights and exported files atomically."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from safetensors import SafetensorError

from gfm.errors import WriteError
from gfm.system.files import atomic_path

T = TypeVar("T")

PREVIOUS = ".previous.ckpt"
"""Suffix of previous checkpoints: the one before ``last.ckpt`` is ``last.previous.ckpt``."""


def previous_checkpoint(path: Path) -> Path:
    """Return where the previous checkpoint is kept when a new one is written to ``path``."""
    return path.with_name(path.stem + PREVIOUS)


def write_file(path: Path, save: Callable[[Path], T]) -> T:
    """Write a file atomically with ``save``, and create its folder; failures raise WriteError.

    Returns:
        The result of ``save``. If that raises an error, a file that was at ``path`` is untouched.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            return save(temporary)
    except (OSError, RuntimeError, SafetensorError) as error:
        raise WriteError(f"cannot write {path}: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """Return the system's reason for an error, which torch hides behind its own error."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__context__
    return str(error).splitlines()[0]
