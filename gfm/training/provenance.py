"""Records the provenance of a result: code, packages and data."""

import hashlib
import json
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gfm import __version__
from gfm.data.datamodule import MattingDataModule
from gfm.system.files import fingerprint_of_files
from gfm.system.ranks import is_global_zero

_PACKAGES = ("torch", "torchvision", "pytorch-lightning", "albumentations")


def git_commit() -> str | None:
    """Return the commit of this code, with ``-dirty`` if files differ from it.

    The result is ``None`` without git, or if the package is installed inside a different
    repository.
    """
    file = Path(__file__)

    def git(*words: str) -> str:
        options: dict[str, Any] = {"cwd": file.parent, "stderr": subprocess.DEVNULL, "text": True}
        return str(subprocess.check_output(["git", *words], **options)).strip()

    try:
        git("ls-files", "--error-unmatch", file.name)
        return git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    except (OSError, subprocess.CalledProcessError):
        return None


def describe_samples(datamodule: MattingDataModule) -> str:
    """Return the numbers of training photos and backgrounds, and a fingerprint of their names.

    Samples are drawn by position in these lists, so a resumed run needs the same lists. Packed
    files keep the names of the pictures, and so the fingerprint.
    """
    training = datamodule.training
    names = [[x.image.stem for x in group] for group in (training.photos, training.scenes)]
    digest = hashlib.sha256(json.dumps(names).encode()).hexdigest()[:12]
    photos, backgrounds = map(len, names)
    return f"{photos} photos and {backgrounds} backgrounds (list {digest})"


def provenance(datamodule: MattingDataModule) -> dict[str, Any]:
    """Return what checkpoints and dashboards record about a run; call it after the data's setup.

    Returns:
        ``commit``, ``packages`` with their versions, ``data``, a fingerprint of all files (empty
        except in rank zero), and ``samples``, see :func:`describe_samples`.
    """
    training = datamodule.training
    paths = [path for scene in training.scenes for path in (scene.image, scene.denoised)]
    for photo in (*training.photos, *datamodule.held_out, *datamodule.photos):
        paths += [photo.image, photo.alpha, photo.trimap, *photo.labels.values()]
        paths += [photo.foreground, photo.background, photo.denoised]
    packages = {name: version(name) for name in _PACKAGES}
    return {
        "commit": git_commit(),
        "packages": {"gfm-matting": __version__, **packages},
        # Only rank zero writes it, which saves the other ranks looking up every file.
        "data": fingerprint_of_files(paths) if is_global_zero() else "",
        "samples": describe_samples(datamodule),
    }
