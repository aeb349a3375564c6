"""Finds the datasets for ``gfm prepare`` and ``gfm check`` from overrides, as ``train.py`` does."""

import re
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from gfm.compat.hydra import compose_from, instantiate
from gfm.data.layout import Folders, Roots
from gfm.data.mixture import Mixture
from gfm.data.pairs import Pairs
from gfm.errors import GFMError
from gfm.run.configs import CONFIGS
from gfm.run.overrides import check_overrides, override, quote_paths


def find_datasets(arguments: Sequence[str], config_dir: Path | None = None) -> list[Roots | Pairs]:
    """Return the datasets that arguments select, by default AM-2k; several for a mixture.

    Backgrounds that are neither given nor at their default path are ``None``.

    Args:
        arguments: Overrides of ``data`` and ``paths``, or a folder of the user's own photos.
        config_dir: Folder of the user's YAML files.

    Raises:
        GFMError: An argument is neither NAME=VALUE nor a folder, or a folder is missing.
    """
    overrides = quote_paths([o for text in arguments for o in _as_overrides(text)])
    check_overrides(overrides, can_sweep=False)
    # No recipe is used, so any will do for a dataset without one.
    defaults = [
        f"{group}=am2k"
        for group in ("data", "recipe")
        if not any(text.startswith(f"{group}=") for text in overrides)
    ]
    if config_dir is not None and not config_dir.is_dir():
        raise GFMError(
            f"no folder {config_dir}: set --config-dir to the folder with your YAML files"
        )
    cfg = compose_from(CONFIGS, "train", [*defaults, *overrides], config_dir)
    found: Roots | Pairs | Mixture = instantiate(cfg.data.source).find()
    others = found.also if isinstance(found, Mixture) else ()
    source = found.main if isinstance(found, Mixture) else found
    if isinstance(source, Roots) and not source.photos.is_dir():
        raise GFMError(f"no folder {source.photos}: set {source.folders.option}")
    bg20k, coco = (_backgrounds(source, name, overrides) for name in ("bg20k", "coco"))
    return [replace(source, bg20k=bg20k, coco=coco), *(Pairs(Path(other)) for other in others)]


def _as_overrides(argument: str) -> list[str]:
    is_option = re.fullmatch(r"[+~]*[\w./@]+=.*", argument, re.DOTALL) is not None
    if Path(argument).is_dir() and not is_option:
        return ["data=pairs", override("data.root", argument)]
    _check_option(argument)
    return [argument]


def _check_option(argument: str) -> None:
    if "=" not in argument:
        raise GFMError(
            f"{argument} is not NAME=VALUE and not a folder: quote a path that contains spaces, or "
            f"set, for example, paths.am2k={argument}"
        )


def _backgrounds(source: Roots | Pairs, name: str, overrides: Sequence[str]) -> Path | None:
    path: Path | None = getattr(source, name)
    if path is None or path.is_dir():
        return path
    if any(text.startswith(f"paths.{name}=") for text in overrides):
        raise GFMError(f"no folder {path}: set paths.{name}")
    return None


def find_roots(arguments: Sequence[str], config_dir: Path | None = None) -> Roots:
    """Return the datasets in the form that ``gfm prepare`` needs; see :func:`find_datasets`.

    Raises:
        GFMError: As in :func:`find_datasets`; or the mattes are alpha channels of cut-outs, or are
            not named like their photos.
    """
    for argument in arguments:
        _check_option(argument)
    source, *_ = find_datasets(arguments, config_dir)
    return _roots_of_pairs(source) if isinstance(source, Pairs) else source


def _roots_of_pairs(pairs: Pairs) -> Roots:
    """Describe the user's own folders as a dataset; undivided photos are for validation."""
    parts = pairs.parts()
    assert pairs.root is not None
    names = dict.fromkeys([field.name for field in fields(Folders)], "")
    names["option"] = "data.root"
    for kind, folder in zip(("train", "validation")[-len(parts) :], parts, strict=True):
        found = pairs.find_folders(folder)
        if found.images == found.alphas or pairs.alpha_suffix:
            raise GFMError(
                f"{folder}: gfm prepare needs a folder of photos and one of mattes, whose files "
                "have the same names"
            )
        place = folder.relative_to(pairs.root)
        names[f"{kind}_image"] = str(place / found.images)
        names[f"{kind}_alpha"] = str(place / found.alphas)
        if kind == "validation":
            names["validation_trimap"] = str(place / (found.trimaps or "trimaps"))
    return Roots(pairs.root, pairs.bg20k, pairs.coco, Folders(**names))
