"""The checkpoint that an interrupted run goes on from."""

import warnings
from pathlib import Path
from typing import Any

import torch

from gfm.checkpoints.file_io import PREVIOUS
from gfm.errors import GFMError


def whole_checkpoint(path: Path) -> Path:
    """A checkpoint that can be resumed from: this one, or the one before it if this is damaged.

    Raises:
        GFMError: there is none.
    """
    previous = path.with_name(path.stem + PREVIOUS)
    if not path.is_file() and not previous.is_file():
        raise GFMError(f"no checkpoint {path}: set ckpt_path to a last.ckpt, or a run's folder")
    content = _read(path)
    if content is None and previous.is_file():
        warnings.warn(f"{path} is damaged; going on from {previous.name}", stacklevel=2)
        path, content = previous, _read(previous)
    if content is None:
        raise GFMError(f"{path} is damaged, and there is no {previous.name} to go on from")
    if "optimizer_states" not in content:
        raise GFMError(
            f"{path} holds weights alone: resume from last.ckpt, or start from it by init_from="
        )
    return path


def _read(path: Path) -> dict[str, Any] | None:
    try:
        # Mapped, not read: what is missing at the end of the file shows all the same.
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception:  # whatever half a file leads torch to raise
        return None
    return content if isinstance(content, dict) else None
