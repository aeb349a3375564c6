"""Evaluates on several test sets in one run: ``data=[am2k,p3m500_np,/data/mine]``.

Hydra would merge the choices of a group into one section. Each choice is therefore composed as a
separate section, ``sets.<name>``, and evaluated like a single ``data`` in a sub-folder.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict

from gfm.compat.hydra import compose_from, parse_override
from gfm.errors import GFMError
from gfm.run.configs import CONFIGS
from gfm.run.overrides import override

ONLY_EVALUATED: Final = (
    "data={} is a test set, only for evaluate.py: train on your own photos with data=pairs "
    "data.root=<folder>, or on data=demo or data=am2k"
)
"""Error message for training on a test set, with its name in place of the braces."""

_OF_FOLDER = ("images", "alphas", "trimaps")  # sub-folders, detected by name or content


def separate_test_sets(overrides: Sequence[str], trains: bool) -> list[str]:
    """Return overrides that compose each of several test sets separately.

    A choice with a slash is a folder of photos and mattes, in any layout of ``data=pairs``. Options
    ``data.<option>`` apply to each set.

    Raises:
        GFMError: The list is empty or has two sets of the same name, a sweep has lists of sets, or
            the command trains.
    """
    lists = [option for option in map(parse_override, overrides) if _lists_sets(option)]
    if not lists:
        return list(overrides)
    if trains:
        raise GFMError("train on one dataset, data=<name>; data=pairs adds others with data.also")
    if lists[-1].is_sweep_override():
        raise GFMError("a sweep cannot take lists of test sets: run evaluate.py once for each list")
    chosen = lists[-1].value()
    assert isinstance(chosen, list)
    if not chosen:
        raise GFMError("data=[] names no test set: choose some, as in data=[am2k,./mine]")
    sets: dict[str, list[str]] = {}
    for choice in map(str, chosen):
        # Hydra's option names consist of ASCII letters, digits and _, and begin with no digit.
        name = re.sub(r"\W|^(?=\d)", "_", Path(os.path.abspath(choice)).name, flags=re.ASCII)
        if name in sets:
            raise GFMError(f"data names two test sets {name}: remove one, or rename its folder")
        sets[name] = _compose(name, choice)
    of_all = [text for text in overrides if text.lstrip("+").startswith("data.")]
    others = [o for o in overrides if o not in of_all and parse_override(o).key_or_group != "data"]
    return [
        "~data",
        *(text for texts in sets.values() for text in texts),
        *(re.sub(r"^(\+*)data\.", rf"\1sets.{name}.", o) for name in sets for o in of_all),
        *others,  # last, because options of one set override those of all
    ]


def is_test_set(name: str) -> bool:
    """Return whether a choice of ``data`` is a test set of this package."""
    try:
        return "crop_sizes" not in compose_from(CONFIGS, f"data/{name}", []).data
    except HydraException:  # not a choice of this package
        return False


def _lists_sets(option: Override) -> bool:
    if option.key_or_group != "data" or option.package or option.is_delete():
        return False
    values = option.value().list if option.is_choice_sweep() else [option.value()]  # type: ignore[union-attr]
    return any(isinstance(value, list) for value in values)


def _compose(name: str, choice: str) -> list[str]:
    if "/" not in choice and not choice.startswith("."):
        return [f"+data@sets.{name}={choice}"]
    node = f"sets.{name}"
    found = [f"{node}.{option}=null" for option in _OF_FOLDER]
    return [f"+data@{node}=folder", f"{node}.name={name}", override(f"{node}.root", choice), *found]


def loggers_of_means(cfg: DictConfig) -> list[Any]:
    """Return the loggers' nodes for the macro means, which are logged like another test set."""
    own = config_of_set(cfg, next(iter(cfg.sets)))
    own.data.name = "macro_mean"
    own.paths.run = cfg.paths.run
    nodes: Any = OmegaConf.to_container(own.logger, resolve=True) if own.logger else {}
    return [node for node in nodes.values() if node]


def config_of_set(cfg: DictConfig, name: str) -> DictConfig:
    """Return the configuration for one of several test sets.

    Its results and predictions are in a sub-folder named after the set.

    Raises:
        GFMError: ``predictions`` has no sub-folder for the test set.
    """
    own: Any = cfg.copy()
    with open_dict(own):
        # Copied without resolving, because interpolations name the options of `data`.
        own.data = OmegaConf.to_container(cfg.sets[name], resolve=False)
        own.sets = {}
    own.paths.run = str(Path(cfg.paths.run, name))
    own.run.group = cfg.run.group or Path(cfg.paths.run).name
    if cfg.predictions is not None:
        folder = Path(cfg.predictions, name)
        if not folder.is_dir():
            raise GFMError(f"no folder {folder}: give predictions a sub-folder for each test set")
        own.predictions = str(folder)
    return own
