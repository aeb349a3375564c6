"""Builds the shell command that reproduces a run's test results."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from gfm.checkpoints.trust import packages_to_trust
from gfm.compat.hydra import compose_from, to_plain
from gfm.config import TrainConfig
from gfm.option_sections import Data
from gfm.run.configs import CONFIGS
from gfm.run.overrides import override, program
from gfm.run.saved_options import config_folders, saved_overrides
from gfm.system.run_folder import SPLIT


def evaluation_command(config: TrainConfig, trainer: pl.Trainer, weights: Path) -> str:
    """Return the command, to be pasted into a shell in the current folder of this process.

    Args:
        config: Configuration of the run.
        trainer: Trainer after the run.
        weights: Checkpoint to evaluate.
    """
    data = _data(config)
    folders = config_folders()
    if folders.config_dir:
        folders = folders._replace(config_dir=os.path.relpath(folders.config_dir))
    return shlex.join(
        [
            *program("evaluate"),
            *folders.arguments,
            override("checkpoint", os.path.relpath(weights)),
            *data,
            *_trust(config),
            *_how(trainer, any(option.startswith("trainer=") for option in data)),
        ]
    )


_KEPT = ("data=", "data.source", "paths.", "trainer=")
_KEPT_OF_PAIRS = tuple(f"data.{name}=" for name in Data.model_fields if name != "split")

_OF_DATA = set(Data.model_fields) - {"name", "num_workers", "scales", "source", "split"}
_OF_RUNS = {("paths", "run"), ("paths", "runs")}


def _data(config: TrainConfig) -> list[str]:
    """Return the overrides that give an evaluation the data and the devices of a run."""
    split = config.folder / SPLIT
    is_split = "split" in config.data.model_fields_set and split.is_file()
    kept = [
        option
        for option in saved_overrides(config.folder)
        if option.lstrip("+").startswith((*_KEPT, *_KEPT_OF_PAIRS))
        and not option.startswith("paths.run=")
    ]
    # Without an option data=..., the choice is named like the data.
    chosen = [o for o in kept if o.startswith("data=")] or [f"data={config.data.name}"]
    others = [option for option in kept if option not in chosen]
    others += _set_by_experiment(config, [*chosen, *others])
    return [*chosen, *others, *([override("data.split", os.path.relpath(split))] * is_split)]


def _set_by_experiment(config: TrainConfig, given: Sequence[str]) -> list[str]:
    """Return overrides for the paths, and the options of the data, that an experiment has changed.

    Of the data's source these are the numbers; what else it has follows from other options.
    """
    options = saved_overrides(config.folder)
    if not any(option.lstrip("+").startswith("experiment=") for option in options):
        return []
    folder = config_folders().config_dir
    options = [*given, "paths.run=."]  # otherwise Hydra's
    composed = compose_from(CONFIGS, "evaluate", options, Path(folder) if folder else None)
    paths, data = to_plain(composed.paths), to_plain(composed.data)
    source = {k: v for k, v in config.data.source.to_dict().items() if isinstance(v, int)}
    sections = {
        "paths": (config.paths.to_dict(), paths),
        "data": (config.data.to_dict(), {name: data.get(name) for name in _OF_DATA}),
        "data.source": (source, data["source"]),
    }
    return [
        override(f"{section}.{name}", value)
        for section, (own, before) in sections.items()
        for name, value in own.items()
        if name in before and value != before[name] and (section, name) not in _OF_RUNS
    ]


def _trust(config: TrainConfig) -> list[str]:
    """Return the override that trusts the packages whose classes the checkpoint names."""
    named = packages_to_trust([config.network, config.inference.to_dict()])
    packages = sorted({*config.trust, *named})
    return [f"trust=[{','.join(packages)}]"] if packages else []


def _how(trainer: pl.Trainer, is_preset: bool) -> list[str]:
    """Return the overrides that an evaluation needs to give the same figures.

    ``is_preset`` says whether they follow ``trainer=...``, which sets a precision of its own.
    """
    module: Any = trainer.lightning_module
    protocol = module.metrics.protocol
    options = [] if protocol == "gfm" else [f"protocol={protocol}"]
    precision = str(trainer.precision)
    if precision == "32-true" and not is_preset:
        return options
    return [*options, f"trainer.precision={precision}"]
