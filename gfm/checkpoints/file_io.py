"""How checkpoints reach the disk: whole or not at all."""

import os
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import TorchCheckpointIO

from gfm.errors import GFMError

PREVIOUS = ".previous.ckpt"
"""What ``last.ckpt`` becomes when a newer one takes its place: ``last.previous.ckpt``."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place, then renames it.

    Lightning assembles the file in memory and moves it out of the system's temporary folder, which
    on another disk is a copy that a crash can cut short. Here the previous checkpoint stays until
    the new one is whole and on the disk, and nothing is assembled in memory. Of those that a run
    resumes from, the one before is kept, should a disk lose the newer.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Saves plain containers and tensors.

        Raises:
            GFMError: the disk is full or cannot be written; what was at ``path`` is untouched.
        """
        path = Path(path)
        # One name, unlike gfm.system.files: what a killed run leaves here takes gigabytes.
        aside = path.with_name(f".{path.name}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with aside.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            if "optimizer_states" in checkpoint and path.exists():
                _keep(path)
            os.replace(aside, path)
        except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
            aside.unlink(missing_ok=True)
            raise GFMError(
                f"cannot write {path} ({_reason(error)}): free some disk, then resume from the "
                "last one"
            ) from error


def _reason(error: BaseException) -> str:
    """The system's words; torch raises an error of its own after that of the file."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__context__
    return str(error).splitlines()[0]


def _keep(path: Path) -> None:
    previous = path.with_name(path.stem + PREVIOUS)
    previous.unlink(missing_ok=True)
    try:
        os.link(path, previous)  # so that there is a checkpoint under the first name all along
    except OSError:  # a file system without hard links
        os.replace(path, previous)
