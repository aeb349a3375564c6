"""Records the provenance of a result: code, packages and data."""

import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gfm import __version__
from gfm.data.datamodule import MattingDataModule
from gfm.system.files import fingerprint_of_files

_PACKAGES = ("torch", "torchvision", "pytorch-lightning", "albumentations")


def git_commit() -> str | None:
    """Return the commit of this code, with ``-dirty`` if files differ from it.

    The result is ``None`` without git, or if the package is installed inside another repository.
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
    """Return what checkpoints and dashboards record about a training run.

    Args:
        datamodule: Data module, set up for training.

    Returns:
        ``commit``, ``packages`` with their versions, and ``data``, a fingerprint of all files.
    """
    paths: list[Path | None] = []
    training = datamodule.training
    for scene in training.scenes:
        paths += [scene.image, scene.denoised]
    for photo in (*training.photos, *datamodule.held_out, *datamodule.photos):
        paths += [photo.image, photo.alpha, photo.trimap, *photo.labels.values()]
        paths += [photo.foreground, photo.background, photo.denoised]
    packages = {name: version(name) for name in _PACKAGES}
    return {
        "commit": git_commit(),
        "packages": {"gfm-matting": __version__, **packages},
        "data": fingerprint_of_files(paths),
    }
