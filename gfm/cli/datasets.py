"""Finds the datasets that a file tool works on from overrides as for ``train.py``."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gfm.compat.hydra import compose_from, instantiate
from gfm.data.layout import Folders, Roots
from gfm.data.mixture import Mixture
from gfm.data.pairs import Pairs
from gfm.errors import GFMError
from gfm.run.configs import CONFIGS
from gfm.run.overrides import check_overrides


def find_roots(overrides: Sequence[str], config_dir: Path | None = None) -> Roots:
    """Return the datasets that overrides of ``data`` and ``paths`` select, by default AM-2k.

    Backgrounds that are neither given nor at their default path are ``None``. A plain test set
    (``data=folder``) has only validation folders. ``config_dir`` holds the user's YAML files.

    Raises:
        GFMError: An argument is not NAME=VALUE, or a folder is missing.
    """
    for text in overrides:
        if "=" not in text:
            raise GFMError(f"{text} is not NAME=VALUE: set, for example, paths.am2k={text}")
    check_overrides(overrides)
    # No recipe is used, so any will do for data that has none.
    defaults = [
        f"{group}=am2k"
        for group in ("data", "recipe")
        if not any(text.startswith(f"{group}=") for text in overrides)
    ]
    if config_dir is not None and not config_dir.is_dir():
        raise GFMError(f"no folder {config_dir}: set --config-dir to the one with your YAML files")
    cfg = compose_from(CONFIGS, "train", [*defaults, *overrides], config_dir)
    source = instantiate(cfg.data.source).find()
    if isinstance(source, Mixture):
        source = source.main
    if isinstance(source, Pairs):
        return _roots_of_pairs(source)
    if not source.photos.is_dir():
        raise GFMError(f"no folder {source.photos}: set {source.folders.option}")
    return replace(source, **{k: _backgrounds(source, k, overrides) for k in ("bg20k", "coco")})


def _backgrounds(source: Roots, name: str, overrides: Sequence[str]) -> Path | None:
    path: Path | None = getattr(source, name)
    if path is None or path.is_dir():
        return path
    if any(text.startswith(f"paths.{name}=") for text in overrides):
        raise GFMError(f"no folder {path}: set paths.{name}")
    return None


def _roots_of_pairs(source: Pairs) -> Roots:
    root, *_ = source.parts()
    found = source.find_folders(root)
    folders = Folders(
        option="data.root",
        validation_image=found.images,
        validation_alpha=found.alphas,
        validation_trimap=found.trimaps or "",
    )
    return Roots(root, folders=folders)
