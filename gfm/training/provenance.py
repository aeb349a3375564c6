"""What a result was made with: code, packages, data."""

import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gfm import __version__
from gfm.data.datamodule import MattingDataModule
from gfm.system.files import fingerprint_of_files

_PACKAGES = ("torch", "torchvision", "pytorch-lightning", "albumentations")


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
    training = datamodule.training
    for scene in training.scenes:
        paths += [scene.image, scene.denoised]
    for photo in (*training.photos, *training.held_out, *datamodule.photos):
        paths += [photo.image, photo.alpha, photo.trimap, *photo.labels.values()]
        paths += [photo.foreground, photo.background, photo.denoised]
    packages = {name: version(name) for name in _PACKAGES}
    return {
        "commit": commit(),
        "packages": {"gfm-matting": __version__, **packages},
        "data": fingerprint_of_files(paths),
    }
