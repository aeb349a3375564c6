"""Completes the command line of a run that is resumed by ``ckpt_path``.

``ckpt_path`` is ``last``, the folder of a run, or a checkpoint in such a folder. Hydra makes a
folder before it calls our code, so the arguments are changed before Hydra sees them.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import ListConfig, OmegaConf

from gfm.compat.hydra import parse_arguments
from gfm.errors import GFMError
from gfm.launch.configs import CONFIGS
from gfm.launch.overrides import override
from gfm.system.files import write_text
from gfm.system.ranks import came_together

Options = dict[str, str]
"""Overrides as they were written, by the name of the option that they set."""

_LAST = Path("checkpoints/last.ckpt")
_OVERRIDES = Path(".hydra/overrides.yaml")
_HYDRA = Path(".hydra/hydra.yaml")
_INSTEAD = "remove it, set ckpt_path to the checkpoint file, and give the run's options again"


def in_own_folder(arguments: Sequence[str]) -> list[str]:
    """Return arguments that make Hydra write its files to ``paths.run``, too."""
    flags, overrides = parse_arguments(arguments)
    given = _by_name(overrides)
    run = given.get("paths.run")
    # Processes of torchrun and srun need no such argument: only rank 0 has files of Hydra.
    if run is None or "hydra.run.dir" in given or flags.multirun or came_together():
        return list(arguments)
    flags_alone = [a for a in arguments if a not in overrides]  # overrides must be adjacent
    return [*flags_alone, *overrides, f"hydra.run.dir={run.partition('=')[2]}"]


def continued(arguments: Sequence[str]) -> list[str]:
    """Return the arguments that resume a run in its own folder.

    They hold the options of the run, changed by those given now. A checkpoint that belongs to no
    run starts a new folder with only the options given now; ``paths.run=<new folder>`` starts a new
    folder with the options of the run.

    Raises:
        GFMError: There is no such run.
    """
    flags, overrides = parse_arguments(arguments)
    now = _by_name(overrides)
    where = _text(now.get("ckpt_path"))
    found = None if flags.multirun or not where else _find(where, now)
    if found is None:
        return in_own_folder(arguments)
    folder, checkpoint = found
    before = _by_name(_noted(folder / _OVERRIDES))
    own = {"ckpt_path": checkpoint, "paths.run": Path(_text(now.get("paths.run")) or folder)}
    merged = {k: o for k, o in _merged(before, now).items() if k not in own}
    merged |= {name: override(name, path) for name, path in own.items()}
    if own["paths.run"] == folder:  # keep its files; `keep_options` adds to them
        merged["hydra.output_subdir"] = "hydra.output_subdir=null"
    merged.setdefault("hydra.run.dir", override("hydra.run.dir", own["paths.run"]))
    flags_alone = [a for a in arguments if a not in overrides]
    return [*flags_alone, *_places(folder, flags, now), *merged.values()]


def keep_options(run: Path) -> None:
    """Write the options that a run is started or resumed with to its folder.

    Hydra writes them too, but to another folder if a configuration file sets ``paths.run``.
    """
    if not HydraConfig.initialized() or HydraConfig.get().mode == RunMode.MULTIRUN:
        return
    hydra = HydraConfig.get()
    (run / ".hydra").mkdir(parents=True, exist_ok=True)
    write_text(run / _OVERRIDES, OmegaConf.to_yaml(list(hydra.overrides.task)))
    if not (run / _HYDRA).is_file():
        write_text(run / _HYDRA, OmegaConf.to_yaml(OmegaConf.create({"hydra": hydra})))


def _noted(file: Path) -> list[str]:
    """Return the options that a run wrote to a file."""
    try:
        options = OmegaConf.load(file)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise GFMError(f"{file} is damaged: {_INSTEAD}") from error
    if not isinstance(options, ListConfig):
        raise GFMError(f"{file} is not a list of options: {_INSTEAD}")
    return [str(option) for option in options]


def _find(where: str, now: Options) -> tuple[Path, Path] | None:
    """Return a run's folder and checkpoint; ``None`` if the checkpoint belongs to no run."""
    if where == "last":
        folder = _latest(_runs(now))
        return folder, folder / _LAST
    path = Path(where)
    if path.is_dir():
        if not (path / _OVERRIDES).is_file():
            raise GFMError(f"{path} is not the folder of a run: it lacks {_OVERRIDES}")
        return path, path / _LAST
    near = [folder for folder in list(path.parents)[:2] if (folder / _OVERRIDES).is_file()]
    return (near[0], path) if near else None


def _runs(now: Options) -> Path:
    paths = [o for name, o in now.items() if name.startswith("paths.") and name != "paths.run"]
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return Path(compose("train", paths).paths.runs)


def _latest(runs: Path) -> Path:
    found = sorted(runs.glob(f"train*/**/{_LAST}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise GFMError(f"ckpt_path=last: no run below {runs} has a checkpoint to go on from")
    return found[-1].parents[1]


def _merged(before: Options, now: Options) -> Options:
    """Return the earlier options, except those that are now replaced or withdrawn."""
    merged = {name: o for name, o in before.items() if not name.startswith("hydra")}
    for name, option in now.items():
        if option.startswith("~") and merged.get(name, "").startswith("+"):
            del merged[name]
        else:
            merged[name] = option
    return merged


def _by_name(overrides: Iterable[str]) -> Options:
    """Map names to overrides, keeping the last of each: Hydra refuses two choices of a group."""
    texts = list(overrides)
    parsed = OverridesParser.create().parse_overrides(texts)
    names = (option.get_key_element().lstrip("+~") for option in parsed)
    return dict(zip(names, texts, strict=True))


def _places(folder: Path, flags: Any, now: Options) -> list[str]:
    """Return arguments that name the configuration folders of a run, unless others are given."""
    file = folder / _HYDRA
    if not file.is_file():
        return []
    hydra = OmegaConf.load(file).hydra
    overrides = _by_name(map(str, OmegaConf.select(hydra, "overrides.hydra") or []))
    search = overrides.get("hydra.searchpath")
    places = [search] if search and "hydra.searchpath" not in now else []
    for source in OmegaConf.select(hydra, "runtime.config_sources") or []:
        if source.provider == "command-line" and flags.config_dir is None:
            places = ["--config-dir", str(source.path), *places]  # flags precede overrides
    return places


def _text(option: str | None) -> str | None:
    """Return the value that an override sets; ``None`` without an override."""
    if option is None:
        return None
    value = OverridesParser.create().parse_override(option).value()
    return None if value is None else str(value)
