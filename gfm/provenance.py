"""What a result was made with: code, packages, data."""

import hashlib
import json
import subprocess
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gfm import __version__
from gfm.data.datamodule import MattingDataModule

_PACKAGES = ("torch", "torchvision", "pytorch-lightning", "albumentations")


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
    """The commit of this code, with ``-dirty`` where files differ from it.

    ``None`` without git, and where the package was installed into another repository.
    """
    file = Path(__file__)

    def git(*words: str) -> str:
        command = ["git", *words]
        return subprocess.check_output(
            command, cwd=file.parent, stderr=subprocess.DEVNULL, text=True
        ).strip()

    try:
        git("ls-files", "--error-unmatch", file.name)
        return git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    except (OSError, subprocess.CalledProcessError):
        return None


def provenance(datamodule: MattingDataModule) -> dict[str, Any]:
    """Of a training, for its checkpoints and dashboards.

    Args:
        datamodule: set up for training.

    Returns:
        ``commit``, ``packages`` with their versions, ``data``: a fingerprint of all its files.
    """
    paths: list[Path | None] = []
    for scene in datamodule.training.scenes:
        paths += [scene.image, scene.denoised]
    for photo in (*datamodule.training.photos, *datamodule.photos):
        paths += [photo.image, photo.alpha, photo.trimap, *photo.labels.values()]
        paths += [photo.foreground, photo.background, photo.denoised]
    packages = {name: version(name) for name in _PACKAGES}
    return {
        "commit": commit(),
        "packages": {"gfm-matting": __version__, **packages},
        "data": digest_of_files(paths),
    }
