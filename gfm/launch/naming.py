"""How the runs of a sweep are told apart on a dashboard."""

import json
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from gfm.compat.hydra import Callback, swept
from gfm.launch.sweeps import in_sweep
from gfm.system.files import write_text

_SWEPT = "swept.json"


class SweepNames(Callback):
    """Notes in a sweep's folder which options differ from run to run."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Before the first run; those of other processes and machines read it too."""
        given = list(config.hydra.overrides.task)
        searched = OmegaConf.select(config, "hydra.sweeper.params") or {}
        given += [f"{name}={value}" for name, value in searched.items()]
        folder = Path(config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / _SWEPT, json.dumps(sorted(set(swept(given)))) + "\n")


def named(cfg: DictConfig) -> DictConfig:
    """The configuration of a run; where it is one of a sweep, also when it goes on alone,
    ``run.name`` ends with the options that differ and ``run.group`` is the sweep's folder.
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
    """Those of a run, without the signs by which Hydra adds a key."""
    file = folder / ".hydra/overrides.yaml"
    if in_sweep():
        given = list(HydraConfig.get().overrides.task)
    else:
        given = list(OmegaConf.load(file)) if file.is_file() else []
    return [str(override).lstrip("+") for override in given]
