"""Resumes a run: saves the options that it was started with, and adds them to a later command line.

``ckpt_path`` is ``last``, the folder of a run, or a checkpoint in such a folder. Hydra makes a
folder before it calls our code, so the arguments are completed before Hydra sees them.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, ListConfig, OmegaConf

from gfm.compat.hydra import compose_from, parse_arguments, parse_override, reason
from gfm.errors import GFMError
from gfm.run.configs import CONFIGS
from gfm.run.overrides import override
from gfm.system.files import write_text
from gfm.system.ranks import creates_processes_externally
from gfm.system.run_folder import HYDRA, LAST_CHECKPOINT, OVERRIDES

Options = dict[str, str]
"""Overrides as they were written, by the name of the option that they set."""

_INSTEAD = "remove it, set ckpt_path to the checkpoint file, and repeat the run's options"


def resume_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the arguments that resume a run in its folder.

    They are the options of the run, changed by those given now. A checkpoint outside of a run's
    folder starts a new folder with only the options given now; ``paths.run=<new folder>`` starts a
    new folder with the options of the run.

    Raises:
        GFMError: There is no such run.
    """
    flags, overrides = parse_arguments(arguments)
    now = by_option(overrides)
    where = _value(now.get("ckpt_path"))
    found = None if flags.multirun or not where else _find(where, flags, now)
    if found is None:
        return in_run_folder(arguments)
    folder, checkpoint = found
    before = by_option(saved_overrides(folder))
    new = {"ckpt_path": checkpoint, "paths.run": Path(_value(now.get("paths.run")) or folder)}
    merged = {k: o for k, o in _merge(before, now).items() if k not in new}
    merged |= {name: override(name, path) for name, path in new.items()}
    if new["paths.run"] == folder:  # keep Hydra's files; `save_overrides` updates them
        merged["hydra.output_subdir"] = "hydra.output_subdir=null"
    merged.setdefault("hydra.run.dir", override("hydra.run.dir", new["paths.run"]))
    other = [a for a in arguments if a not in overrides]
    return [*other, *_config_folders(folder, flags, now), *merged.values()]


def in_run_folder(arguments: Sequence[str]) -> list[str]:
    """Return arguments that make Hydra write its files to ``paths.run``, too."""
    flags, overrides = parse_arguments(arguments)
    given = by_option(overrides)
    run = given.get("paths.run")
    # Processes of torchrun and srun need no such argument: only rank 0 has files of Hydra.
    if run is None or "hydra.run.dir" in given or flags.multirun or creates_processes_externally():
        return list(arguments)
    other = [a for a in arguments if a not in overrides]  # overrides must be adjacent
    return [*other, *overrides, f"hydra.run.dir={run.partition('=')[2]}"]


def _find(where: str, flags: Any, now: Options) -> tuple[Path, Path] | None:
    """Return a run's folder and checkpoint; ``None`` for a checkpoint outside of a run's folder."""
    path = _latest(_runs(flags, now)) if where == "last" else Path(where)
    if path.is_dir():
        if not (path / OVERRIDES).is_file():
            raise GFMError(f"{path} is not the folder of a run: it lacks {OVERRIDES}")
        return path, path / LAST_CHECKPOINT
    near = [folder for folder in list(path.parents)[:2] if (folder / OVERRIDES).is_file()]
    return (near[0], path) if near else None


def _runs(flags: Any, now: Options) -> Path:
    """Return the folder that holds the runs."""
    where = ("paths.", "hydra.searchpath")
    places = [o for name, o in now.items() if name.startswith(where) and name != "paths.run"]
    extra = Path(flags.config_dir) if flags.config_dir else None
    return Path(compose_from(CONFIGS, "train", places, extra).paths.runs)


def _latest(runs: Path) -> Path:
    found = sorted(runs.glob(f"train*/**/{LAST_CHECKPOINT}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise GFMError(f"ckpt_path=last: no run below {runs} has a checkpoint to resume from")
    return found[-1].parents[1]


def _merge(before: Options, now: Options) -> Options:
    """Return the earlier options, except those that are now replaced or withdrawn."""
    merged = {name: o for name, o in before.items() if not name.startswith("hydra")}
    for name, option in now.items():
        if option.startswith("~") and merged.get(name, "").startswith("+"):
            del merged[name]
        else:
            merged[name] = option
    return merged


def _config_folders(folder: Path, flags: Any, now: Options) -> list[str]:
    """Return arguments that name the configuration folders of a run, unless new ones are given."""
    config_dir, search = saved_config_folders(folder)
    arguments = [search] if search and "hydra.searchpath" not in now else []
    if config_dir and flags.config_dir is None:
        arguments = ["--config-dir", str(config_dir), *arguments]  # flags precede overrides
    return arguments


def _value(option: str | None) -> str | None:
    """Return the value that an override sets; ``None`` without an override."""
    if option is None:
        return None
    value = parse_override(option).value()
    return None if value is None else str(value)


def save_overrides(run: Path) -> None:
    """Write the overrides that a run is started or resumed with to its folder.

    Hydra writes them too, but to a different folder if a configuration file sets ``paths.run``.
    """
    if not HydraConfig.initialized() or HydraConfig.get().mode == RunMode.MULTIRUN:
        return
    hydra = HydraConfig.get()
    (run / OVERRIDES).parent.mkdir(parents=True, exist_ok=True)
    write_text(run / OVERRIDES, OmegaConf.to_yaml(list(hydra.overrides.task)))
    if not (run / HYDRA).is_file():
        write_text(run / HYDRA, OmegaConf.to_yaml(OmegaConf.create({"hydra": hydra})))


def saved_overrides(run: Path) -> list[str]:
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


def saved_config_folders(run: Path) -> tuple[Path | None, str | None]:
    """Return where a run found configuration files besides those of this package.

    Returns:
        The folder that ``--config-dir`` named, and the override of ``hydra.searchpath``.
    """
    file = run / HYDRA
    if not file.is_file():
        return None, None
    hydra = OmegaConf.load(file).hydra
    searched = by_option(map(str, OmegaConf.select(hydra, "overrides.hydra") or []))
    return _config_dir(hydra), searched.get("hydra.searchpath")


def _config_dir(hydra: DictConfig) -> Path | None:
    sources = OmegaConf.select(hydra, "runtime.config_sources") or []
    return next((Path(s.path) for s in sources if s.provider == "command-line"), None)


def by_option(overrides: Iterable[str]) -> Options:
    """Map options to overrides, keeping the last of each: Hydra refuses two choices of a group."""
    texts = list(overrides)
    names = (parse_override(text).get_key_element().lstrip("+~") for text in texts)
    return dict(zip(names, texts, strict=True))
