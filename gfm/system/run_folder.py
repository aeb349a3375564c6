"""Paths inside a run's folder, and links that lead out of it."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

from gfm.errors import GFMError
from gfm.system.files import read_table, write_table

LAST_CHECKPOINT: Final = Path("checkpoints/last.ckpt")
"""Checkpoint from which an interrupted run resumes."""

SPLIT: Final = Path("split.csv")
"""Table of the held-out photos and the training photos."""

_FLAT: Final = "flat_mattes.csv"


def write_flat_mattes(folder: Path, names: Collection[str]) -> None:
    """Write the names of photos whose mattes are nearly empty or constant; without any, no file.

    Raises:
        WriteError: The file cannot be written.
    """
    path = folder / _FLAT
    if names:
        write_table(path, {name: {} for name in sorted(names)})
    else:
        path.unlink(missing_ok=True)  # of an earlier test


def read_flat_mattes(folder: Path) -> frozenset[str]:
    """Return the names that :func:`write_flat_mattes` wrote; none if the file is missing.

    Raises:
        GFMError: The file is damaged.
    """
    path = folder / _FLAT
    return frozenset(read_table(path)) if path.is_file() else frozenset()


def run_of(checkpoint: Path) -> Path:
    """Return the folder of the run that wrote a checkpoint."""
    return checkpoint.resolve().parent.parent


def is_inside(path: Path, folder: Path) -> bool:
    """Return whether a path is inside a folder, after resolving links."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def check_links(folder: Path) -> None:
    """Check a run's folder for links to files outside of it, which the run would change.

    The folder may come from somebody else, and its ``train.log`` may be a link to any file.

    Raises:
        GFMError: There is such a link in the folder, or one level below.
    """
    paths = [*folder.glob("*")]
    # W&B never appends to existing files.
    paths += (inner for path in paths[:] if path.name != "wandb" for inner in path.glob("*"))
    for path in paths:
        if path.is_symlink() and not is_inside(path, folder):
            raise GFMError(
                f"{path} is a link out of the run's folder: replace it with a copy, or choose "
                "another folder with paths.run="
            )
