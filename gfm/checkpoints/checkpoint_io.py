"""A Lightning plugin that writes training checkpoints atomically."""

import os
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import TorchCheckpointIO

from gfm.checkpoints.file_io import previous_checkpoint, reason
from gfm.errors import GFMError
from gfm.system.ranks import from_rank_zero


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint to a temporary file in the same folder, then renames it.

    Lightning assembles the file in memory, and moves it from the system's temporary folder. Across
    file systems, that is a copy, which a crash can truncate. Here nothing is assembled in memory,
    and the previous checkpoint stays until the new one is complete and flushed to disk. If a run
    can be resumed from the checkpoint, the previous one is kept even then, in case the new one gets
    damaged.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loaded: Path | None = None

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Save plain containers and tensors.

        Raises:
            GFMError: The disk is full or read-only; a file that was at ``path`` is untouched.
        """
        path = Path(path)
        # Always the same name, unlike in gfm.system.files, so that killed runs leave one file of
        # gigabytes, not many.
        temporary = path.with_name(f".{path.name}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            # If the run was resumed from the previous file, the one at `path` is damaged, and must
            # not replace it.
            is_damaged = self.loaded == previous_checkpoint(path).resolve()
            if "optimizer_states" in checkpoint and path.exists() and not is_damaged:
                _keep_previous(path)
            os.replace(temporary, path)
            if is_damaged:
                self.loaded = None
        except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
            temporary.unlink(missing_ok=True)
            raise GFMError(
                f"cannot write {path} ({reason(error)}): free disk space, then resume from the "
                "last checkpoint"
            ) from error

    def load_checkpoint(  # noqa: D102
        self,
        path: str | Path,
        map_location: Any = lambda storage, _: storage,
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        # Rank zero alone has verified the file, and may have chosen the previous one instead.
        chosen = from_rank_zero(path)
        self.loaded = Path(chosen).resolve()
        content: dict[str, Any] = super().load_checkpoint(chosen, map_location, weights_only)
        return content

    def remove_checkpoint(self, path: str | Path) -> None:
        """Delete a checkpoint file, but no folder, and nothing that ``..`` or a link leads to.

        Lightning deletes paths that it reads from the checkpoint of a resumed run, which may come
        from somebody else.
        """
        file = Path(path).absolute()
        if file.is_file() and os.path.realpath(file) == str(file):
            file.unlink()


def _keep_previous(path: Path) -> None:
    previous = previous_checkpoint(path)
    previous.unlink(missing_ok=True)
    try:
        os.link(path, previous)  # so that `path` exists at every moment
    except OSError:  # a file system without hard links
        os.replace(path, previous)
