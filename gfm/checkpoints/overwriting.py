"""Prevents commands from overwriting their input, and files not written by gfm."""

import mmap
import re
from collections.abc import Sequence
from pathlib import Path

from gfm.checkpoints.sources import find_checkpoint
from gfm.errors import GFMError

# The metadata of exported graphs, of .safetensors and of config.json; the head of a model card.
_MARK = re.compile(rb"(?s)generator.{1,4}gfm-matting |\A---\s+library_name: gfm-matting")


def check_targets(source: str, targets: Sequence[Path], overwrite: bool) -> None:
    """Check that files may be written, before a large checkpoint is read.

    Raises:
        GFMError: A target is the checkpoint itself, or, unless ``overwrite``, a file that was not
            written by ``gfm export``.
    """
    checkpoint = find_checkpoint(Path(source))
    for target in targets:
        if not target.is_file():
            continue
        if checkpoint.is_file() and target.samefile(checkpoint):
            raise GFMError(f"{target} is the checkpoint itself: choose another name for the result")
        if not overwrite and not _is_own(target):
            raise GFMError(
                f"{target} exists and was not written by gfm: choose another name, or add "
                "--overwrite"
            )


def _is_own(path: Path) -> bool:
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            return _MARK.search(text) is not None
    except (OSError, ValueError):  # unreadable, or empty
        return False
