"""What a result was made with: code, packages, data."""

import hashlib
import json
import subprocess
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gfm.data.datamodule import MattingDataModule

_PACKAGES = ("gfm-matting", "torch", "torchvision", "pytorch-lightning", "albumentations")


def digest_of_files(paths: Iterable[Path | None], with_times: bool = False) -> str:
    """A short fingerprint of files by their names and sizes, without reading them.

    Args:
        paths: of the files; ``None`` stands for one that is not there.
        with_times: whether a file written again with the same size counts as another.
    """
    digest = hashlib.sha256()
    for path in paths:
        parts: list[Any] = [None]
        if path is not None:
            stat = path.stat()
            parts = [path.name, stat.st_size, stat.st_mtime_ns if with_times else None]
        digest.update(json.dumps(parts).encode())
    return digest.hexdigest()[:12]


def digest_of_content(path: Path) -> str:
    """A short fingerprint of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:12]


def commit() -> str | None:
    """The commit of this code, with ``-dirty`` where files differ from it; ``None`` without git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        folder = Path(__file__).parent
        text = subprocess.check_output(command, cwd=folder, stderr=subprocess.DEVNULL, text=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return text.strip()


def provenance(datamodule: MattingDataModule) -> dict[str, Any]:
    """Of a training, for its checkpoints and dashboards.

    Args:
        datamodule: set up for training.

    Returns:
        ``commit``, ``packages`` with their versions, ``data``: a fingerprint of all its files.
    """
    training, validation = datamodule.training, datamodule.validation
    paths: list[Path | None] = [scene.image for scene in training.scenes]
    for photo in (*training.photos, *validation.photos):
        paths += [photo.image, photo.alpha, photo.foreground, photo.background, photo.trimap]
    return {
        "commit": commit(),
        "packages": {name: version(name) for name in _PACKAGES},
        "data": digest_of_files(paths),
    }
