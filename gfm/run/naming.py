"""Names the runs of a sweep on a dashboard by the options that differ."""

import json
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from gfm.compat.hydra import Callback, swept_options
from gfm.run.kept_options import kept_options
from gfm.run.sweeps import in_sweep
from gfm.system.files import write_text

_SWEPT = "swept.json"


class SweepNames(Callback):
    """Writes to the folder of a sweep which options differ between its runs."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Write the file before the first run; other processes and machines read it too."""
        given = list(config.hydra.overrides.task)
        searched = OmegaConf.select(config, "hydra.sweeper.params") or {}
        given += [f"{name}={value}" for name, value in searched.items()]
        folder = Path(config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / _SWEPT, json.dumps(sorted(set(swept_options(given)))) + "\n")


def named(cfg: DictConfig) -> DictConfig:
    """Return the configuration of a run with the names that a sweep gives it.

    In a sweep, or in the folder of one, ``run.name`` ends with the options that differ between its
    runs, and ``run.group`` is the folder of the sweep. Other configurations stay the same.
    """
    folder = Path(HydraConfig.get().runtime.output_dir if in_sweep() else cfg.paths.run)
    sweep = next((p for p in folder.absolute().parents if (p / _SWEPT).is_file()), None)
    if sweep is None:
        return cfg
    names = json.loads((sweep / _SWEPT).read_text(encoding="utf-8"))
    own = [o for o in _overrides(folder) if o.split("=")[0] in names]
    cfg = cfg.copy()
    cfg.run.name = " ".join([cfg.run.name, ",".join(own)]).strip()
    if cfg.run.group is None:
        cfg.run.group = sweep.name
    return cfg


def _overrides(folder: Path) -> list[str]:
    """Return the overrides of a run, without the ``+`` with which Hydra adds a key."""
    given = HydraConfig.get().overrides.task if in_sweep() else kept_options(folder)
    return [str(override).lstrip("+") for override in given]
