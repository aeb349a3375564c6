"""Keeps commands from overwriting their input, files of other programs, and edited cards."""

import hashlib
import mmap
import re
from collections.abc import Sequence
from pathlib import Path

from gfm.checkpoints.sources import find_checkpoint
from gfm.errors import GFMError

# The metadata of exported graphs, of .safetensors and of config.json.
_MARK = re.compile(rb"(?s)generator.{1,4}gfm-matting ")


def check_targets(source: str, targets: Sequence[Path], overwrite: bool) -> None:
    """Check that files may be written, before a large checkpoint is read.

    Raises:
        GFMError: A target is the checkpoint itself, or, unless ``overwrite``, a ``.ckpt``, a file
            that was not written by ``gfm export``, or a model card that was edited since.
    """
    checkpoint = find_checkpoint(Path(source))
    for target in targets:
        if not target.is_file():
            continue
        if checkpoint.is_file() and target.samefile(checkpoint):
            raise GFMError(f"{target} is the checkpoint itself: choose another name for the result")
        if not overwrite and not _is_own(target):
            reason = "was not written by gfm export, or was edited since"
            if target.suffix == ".ckpt":
                reason = "may be the checkpoint of a run"
            raise GFMError(f"{target} exists and {reason}: choose another name, or add --overwrite")


def seal(card: str) -> str:
    """Return a model card with a digest at its end, which reveals that it was edited."""
    return f"{card}\n<!-- gfm-matting {hashlib.sha256(card.encode()).hexdigest()} -->\n"


def _is_own(path: Path) -> bool:
    try:
        if path.suffix == ".md":
            text = path.read_text("utf-8")
            return text == seal(text.rpartition("\n<!--")[0])
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _MARK.search(data) is not None
    except (OSError, ValueError):  # unreadable, or empty
        return False
