"""Builds the shell command that reproduces a run's test results."""

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from gfm.checkpoints.trust import packages_to_trust
from gfm.compat.hydra import compose_from, leaves
from gfm.config import TrainConfig
from gfm.option_sections import Data
from gfm.run.configs import CONFIGS
from gfm.run.overrides import override, program
from gfm.run.saved_options import ConfigFolders, config_folders
from gfm.system.run_folder import SPLIT


def evaluation_command(config: TrainConfig, trainer: pl.Trainer, weights: Path) -> str:
    """Return the command as text, to be pasted into a shell in this process's current folder.

    Args:
        config: Configuration of the run.
        trainer: Trainer after the run.
        weights: Checkpoint to evaluate.
    """
    choices = dict(HydraConfig.get().runtime.choices) if HydraConfig.initialized() else {}
    folders = config_folders()
    if folders.config_dir:
        folders = folders._replace(config_dir=os.path.relpath(folders.config_dir))
    return shlex.join(
        [
            *program("evaluate"),
            *folders.arguments,
            override("checkpoint", os.path.relpath(weights)),
            *_data(config, choices, folders),
            *_extra_metrics(config),
            *_trust(config),
            *_protocol_and_precision(trainer, choices.get("trainer", "default") != "default"),
        ]
    )


_OF_DATA = set(Data.model_fields) - {"name", "scales", "split"}
_OF_RUNS = {"paths.run", "paths.runs"}
_ABSENT = object()


def _data(config: TrainConfig, choices: Mapping[str, Any], folders: ConfigFolders) -> list[str]:
    """Return the overrides that give an evaluation the data and the devices of a run.

    Args:
        config: Configuration of the run.
        choices: Its choices of groups; empty if it was started from Python.
        folders: Its configuration folders.
    """
    options = [f"data={choices.get('data', config.data.name)}"]
    if choices.get("trainer", "default") != "default":
        options.append(f"trainer={choices['trainer']}")
    if choices:
        options += _changes(config, options, folders)
    split = config.folder / SPLIT
    if "split" in config.data.model_fields_set and split.is_file():
        options.append(override("data.split", os.path.relpath(split)))
    return options


def _changes(config: TrainConfig, choices: Sequence[str], folders: ConfigFolders) -> Iterator[str]:
    """Yield overrides for the paths and data options that differ from an evaluation's defaults."""
    extra = Path(folders.config_dir) if folders.config_dir else None
    overrides = [*choices, *([folders.search] if folders.search else [])]
    composed = compose_from(CONFIGS, "evaluate", overrides, extra)
    data = {k: v for k, v in config.data.to_dict().items() if k in _OF_DATA}
    data["source"] = data.pop("source")  # last, because it interpolates the other options
    for name, value in leaves({"paths": config.paths.to_dict(), "data": data}).items():
        if name in _OF_RUNS or value == {}:  # nothing to override
            continue
        before = OmegaConf.select(composed, name, default=_ABSENT)
        if before != value:
            OmegaConf.update(composed, name, value, force_add=True)
            yield override(f"+{name}" if before is _ABSENT else name, value)


def _extra_metrics(config: TrainConfig) -> list[str]:
    nodes = {name: node.to_dict() for name, node in config.extra_metrics.items()}
    found = leaves(nodes, "extra_metrics") if nodes else {}
    return [override(f"+{name}", value) for name, value in found.items()]


def _trust(config: TrainConfig) -> list[str]:
    """Return the override that trusts the packages whose classes the checkpoint names."""
    named = packages_to_trust([config.network, config.inference.to_dict()])
    packages = sorted({*config.trust, *named})
    return [f"trust=[{','.join(packages)}]"] if packages else []


def _protocol_and_precision(trainer: pl.Trainer, is_preset: bool) -> list[str]:
    """Return the overrides with which an evaluation reproduces the figures of the run.

    ``is_preset`` is whether the command has ``trainer=...``, which sets a precision.
    """
    module: Any = trainer.lightning_module
    protocol = module.metrics.protocol
    options = [] if protocol == "gfm" else [f"protocol={protocol}"]
    precision = str(trainer.precision)
    if precision == "32-true" and not is_preset:
        return options
    return [*options, f"trainer.precision={precision}"]
