"""The configuration of a run that goes on: ``ckpt_path=last``, a run's folder, or a checkpoint."""

from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from gfm.errors import GFMError
from gfm.system.files import write_text
from gfm.system.ranks import is_first

_LAST = Path("checkpoints/last.ckpt")


def continued(cfg: DictConfig) -> DictConfig:
    """The configuration of a run that goes on in its own folder.

    Where ``ckpt_path`` is a run's folder, or ``last`` for the latest one, the overrides that the
    run was started with hold again, with those given now on top. A checkpoint file instead starts
    a new folder with the options given now.

    Raises:
        GFMError: there is no such run.
    """
    where = cfg.ckpt_path
    if not where or (where != "last" and not Path(where).is_dir()):
        return cfg
    folder = _latest(Path(cfg.paths.runs)) if where == "last" else Path(where)
    file = folder / ".hydra/overrides.yaml"
    if not file.is_file():
        raise GFMError(f"{folder} is no run's folder: it lacks {file.relative_to(folder)}")
    before = [str(override) for override in OmegaConf.load(file)]
    now = HydraConfig.get().overrides
    # The last one of a name holds; Hydra refuses two choices for one group.
    overrides = {_name(o): o for o in [*before, *map(str, now.task)]}
    overrides |= {"ckpt_path": f"ckpt_path={folder / _LAST}", "paths.run": f"paths.run={folder}"}
    if is_first():  # so that they hold the next time as well
        write_text(file, OmegaConf.to_yaml(list(overrides.values())))
    places = [o for o in [*_hydras(folder), *now.hydra] if _name(o) == "hydra.searchpath"]
    return hydra.compose("train", [*overrides.values(), *places[-1:]])


def _name(override: str) -> str:
    return override.split("=")[0].lstrip("+")


def _hydras(folder: Path) -> list[str]:
    file = folder / ".hydra/hydra.yaml"
    return list(OmegaConf.load(file).hydra.overrides.hydra) if file.is_file() else []


def _latest(runs: Path) -> Path:
    found = sorted(runs.glob(f"train*/**/{_LAST}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise GFMError(f"ckpt_path=last: no run below {runs} has a checkpoint to go on from")
    return found[-1].parents[1]
