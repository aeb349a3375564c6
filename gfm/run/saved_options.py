"""Saves the options of a run to its folder, and reads them as data.

Like a checkpoint, a folder may come from somebody else, so nothing in it is executed:
:mod:`gfm.run.kept_options` checks the options, and folders of configuration files are used only if
the command line names them again.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf

from gfm.compat.hydra import parse_override, reason
from gfm.errors import GFMError
from gfm.system.files import write_text

OVERRIDES: Final = Path(".hydra/overrides.yaml")
"""Overrides that the run was started with."""

_HYDRA: Final = Path(".hydra/hydra.yaml")  # Hydra's own configuration, with the search path

_INSTEAD = "remove it, set ckpt_path to the checkpoint file, and repeat the run's options"

Options = dict[str, str]
"""Overrides as they were written, by the name of the option that they set."""


def by_option(overrides: Iterable[str]) -> Options:
    """Map options to overrides, keeping the last of each: Hydra refuses two choices of a group."""
    texts = list(overrides)
    names = (parse_override(text).get_key_element().lstrip("+~") for text in texts)
    return dict(zip(names, texts, strict=True))


def given_overrides(hydra: Any) -> list[str]:
    """Return the overrides of this run or sweep as written; ``hydra`` is Hydra's own node."""
    texts: Any = OmegaConf.to_container(hydra.overrides.task, resolve=False)
    return [str(text) for text in texts]


def save_overrides(run: Path) -> None:
    """Write the overrides that a run is started or resumed with to its folder.

    Hydra writes them too, but to a different folder if a configuration file sets ``paths.run``.
    """
    if not HydraConfig.initialized() or HydraConfig.get().mode == RunMode.MULTIRUN:
        return
    hydra = HydraConfig.get()
    (run / OVERRIDES).parent.mkdir(parents=True, exist_ok=True)
    write_text(run / OVERRIDES, OmegaConf.to_yaml(given_overrides(hydra)))
    if not (run / _HYDRA).is_file():
        write_text(run / _HYDRA, OmegaConf.to_yaml(OmegaConf.create({"hydra": hydra})))


def saved_overrides(run: Path) -> list[str]:
    """Return the overrides that a run was started with; none if its folder lacks the file.

    Raises:
        GFMError: The file is damaged.
    """
    file = run / OVERRIDES
    if not file.is_file():
        return []
    options = _read(file)
    if not isinstance(options, list):
        raise GFMError(f"{file} is not a list of options: {_INSTEAD}")
    for option in options:
        try:
            parse_override(str(option))
        except (HydraException, RecursionError) as error:
            raise GFMError(f"{file} holds {option} ({reason(error)}): {_INSTEAD}") from error
    return [str(option) for option in options]


def saved_data(run: Path) -> dict[str, Any]:
    """Return the resolved ``data`` options of a run; none if its folder has no ``config.yaml``.

    Raises:
        GFMError: The file is damaged.
    """
    file = run / "config.yaml"
    config = _read(file) if file.is_file() else {}
    data = config.get("data") if isinstance(config, dict) else None
    return data if isinstance(data, dict) else {}


class ConfigFolders(NamedTuple):
    """Where a run finds configuration files besides those of this package.

    Attributes:
        config_dir: Folder that ``--config-dir`` names.
        search: Override of ``hydra.searchpath``.
    """

    config_dir: str | None = None
    search: str | None = None

    @property
    def arguments(self) -> list[str]:
        """Arguments of the command line; flags precede overrides."""
        flags = ["--config-dir", self.config_dir] if self.config_dir else []
        return [*flags, self.search] if self.search else flags


def config_folders() -> ConfigFolders:
    """Return the configuration folders of this run."""
    if not HydraConfig.initialized():
        return ConfigFolders()
    hydra = HydraConfig.get()
    sources = [{"path": s.path, "provider": s.provider} for s in hydra.runtime.config_sources]
    return _given_folders(sources, hydra.overrides.hydra)


def saved_config_folders(run: Path) -> ConfigFolders:
    """Return the configuration folders of an earlier run.

    Raises:
        GFMError: The file that holds them is damaged.
    """
    file = run / _HYDRA
    if not file.is_file():
        return ConfigFolders()
    try:
        hydra = _read(file)["hydra"]
        return _given_folders(hydra["runtime"]["config_sources"], hydra["overrides"]["hydra"])
    except (LookupError, TypeError, AttributeError, HydraException) as error:
        raise GFMError(
            f"{file} is damaged: remove it, and repeat --config-dir if the run was started with it"
        ) from error


def _given_folders(sources: Iterable[Mapping[str, Any]], overrides: Iterable[str]) -> ConfigFolders:
    named = (str(s["path"]) for s in sources if s["provider"] == "command-line")
    return ConfigFolders(next(named, None), by_option(overrides).get("hydra.searchpath"))


def _read(file: Path) -> Any:
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise GFMError(f"{file} is damaged: {_INSTEAD}") from error
