"""The options that a run was started with, which its folder keeps.

Hydra writes them to ``.hydra/`` there. Resuming a run, naming it, and the printed command that
evaluates it read them back.
"""

from collections.abc import Iterable
from pathlib import Path

import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, ListConfig, OmegaConf

from gfm.compat.hydra import parse_override, reason
from gfm.errors import GFMError
from gfm.system.files import write_text
from gfm.system.run_folder import HYDRA, OVERRIDES

Options = dict[str, str]
"""Overrides as they were written, by the name of the option that they set."""

_INSTEAD = "remove it, set ckpt_path to the checkpoint file, and give the run's options again"


def keep_options(run: Path) -> None:
    """Write the options that a run is started or resumed with to its folder.

    Hydra writes them too, but to another folder if a configuration file sets ``paths.run``.
    """
    if not HydraConfig.initialized() or HydraConfig.get().mode == RunMode.MULTIRUN:
        return
    hydra = HydraConfig.get()
    (run / OVERRIDES).parent.mkdir(parents=True, exist_ok=True)
    write_text(run / OVERRIDES, OmegaConf.to_yaml(list(hydra.overrides.task)))
    if not (run / HYDRA).is_file():
        write_text(run / HYDRA, OmegaConf.to_yaml(OmegaConf.create({"hydra": hydra})))


def kept_options(run: Path) -> list[str]:
    """Return the overrides that a run was started with; none if its folder has no such file.

    Raises:
        GFMError: The file is damaged.
    """
    file = run / OVERRIDES
    if not file.is_file():
        return []
    try:
        options = OmegaConf.load(file)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise GFMError(f"{file} is damaged: {_INSTEAD}") from error
    if not isinstance(options, ListConfig):
        raise GFMError(f"{file} is not a list of options: {_INSTEAD}")
    for option in options:
        try:
            parse_override(str(option))
        except HydraException as error:
            raise GFMError(f"{file} holds {option} ({reason(error)}): {_INSTEAD}") from error
    return [str(option) for option in options]


def kept_places(run: Path) -> tuple[Path | None, str | None]:
    """Return where a run found configuration files beside those of this package.

    Returns:
        The folder that ``--config-dir`` named, and the override of ``hydra.searchpath``.
    """
    file = run / HYDRA
    if not file.is_file():
        return None, None
    hydra = OmegaConf.load(file).hydra
    searched = by_name(map(str, OmegaConf.select(hydra, "overrides.hydra") or []))
    return _config_dir(hydra), searched.get("hydra.searchpath")


def _config_dir(hydra: DictConfig) -> Path | None:
    sources = OmegaConf.select(hydra, "runtime.config_sources") or []
    return next((Path(s.path) for s in sources if s.provider == "command-line"), None)


def by_name(overrides: Iterable[str]) -> Options:
    """Map names to overrides, keeping the last of each: Hydra refuses two choices of a group."""
    texts = list(overrides)
    names = (parse_override(text).get_key_element().lstrip("+~") for text in texts)
    return dict(zip(names, texts, strict=True))
