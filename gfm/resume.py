"""Where an interrupted run goes on: ``ckpt_path=last``, a run's folder, or a checkpoint."""

import warnings
from pathlib import Path
from typing import Any

import hydra
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from gfm.checkpoint_io import PREVIOUS
from gfm.data.files import whole_file
from gfm.errors import GFMError
from gfm.ranks import is_first

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
        with whole_file(file) as text:
            text.write(OmegaConf.to_yaml(list(overrides.values())).encode())
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


def whole_checkpoint(path: Path) -> Path:
    """A checkpoint that can be resumed from: this one, or the one before it if this is damaged.

    Raises:
        GFMError: there is none.
    """
    previous = path.with_name(path.stem + PREVIOUS)
    if not path.is_file() and not previous.is_file():
        raise GFMError(f"no checkpoint {path}: set ckpt_path to a last.ckpt, or a run's folder")
    content = _read(path)
    if content is None and previous.is_file():
        warnings.warn(f"{path} is damaged; going on from {previous.name}", stacklevel=2)
        path, content = previous, _read(previous)
    if content is None:
        raise GFMError(f"{path} is damaged, and there is no {previous.name} to go on from")
    if "optimizer_states" not in content:
        raise GFMError(
            f"{path} holds weights alone: resume from last.ckpt, or start from it by init_from="
        )
    return path


def _read(path: Path) -> dict[str, Any] | None:
    try:
        # Mapped, not read: what is missing at the end of the file shows all the same.
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception:  # whatever half a file leads torch to raise
        return None
    return content if isinstance(content, dict) else None
