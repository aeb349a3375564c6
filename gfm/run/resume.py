"""Resumes a run by adding its original options to the command line.

``ckpt_path`` is ``last``, the folder of a run, or a checkpoint in such a folder. Hydra makes a
folder before it calls our code, so the arguments are completed before Hydra sees them.
"""

import shlex
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

from gfm.compat.hydra import compose_from, parse_override
from gfm.errors import GFMError
from gfm.run.configs import CONFIGS
from gfm.run.kept_options import check_kept
from gfm.run.overrides import override, program
from gfm.run.saved_options import (
    OVERRIDES,
    ConfigFolders,
    Options,
    by_option,
    config_folders,
    given_overrides,
    saved_config_folders,
    saved_overrides,
)
from gfm.system.ranks import creates_processes_externally
from gfm.system.run_folder import LAST_CHECKPOINT

_AGAIN = ("trust", "data.allow_other_photos")
"""Options that give consent, and that every command must repeat."""


def resume_overrides(
    arguments: Sequence[str], flags: Namespace, overrides: Sequence[str]
) -> list[str]:
    """Return the overrides that resume a run in its folder.

    They are the run's options, overridden by those given now. A checkpoint outside of a run's
    folder starts a new folder with only the options given now; ``paths.run=<new folder>`` starts a
    new folder with the options of the run.

    Args:
        arguments: Arguments of the command line, for messages.
        flags: Its flags, as Hydra parses them.
        overrides: Its overrides.

    Raises:
        GFMError: The run does not exist, or its folder has options that the user must repeat.
    """
    now = by_option(overrides)
    where = _value(now, "ckpt_path")
    found = None if flags.multirun or not where else _find(where, flags.config_dir, now)
    if found is None:
        return list(overrides)
    folder, checkpoint = found
    _check_config_folders(folder, arguments, flags.config_dir, now)
    before = by_option(saved_overrides(folder))
    new = {"ckpt_path": checkpoint, "paths.run": Path(_value(now, "paths.run") or folder)}
    merged = {k: o for k, o in _merge(before, now).items() if k not in new}
    kept = (option for name, option in merged.items() if name not in now)
    check_kept(folder, kept, _trusted(now), arguments)
    merged |= {name: override(name, path) for name, path in new.items()}
    if new["paths.run"] == folder:  # keep Hydra's files; `save_overrides` updates them
        merged["hydra.output_subdir"] = "hydra.output_subdir=null"
    return list(merged.values())


def resume_command(run: Path) -> str:
    """Return the command that resumes the run of this process.

    It repeats the options that :func:`resume_overrides` does not take from the folder of a run.
    """
    given = by_option(given_overrides(HydraConfig.get()))
    trusted = _trusted(given)
    repeated = [
        option
        for name, option in given.items()
        if name not in ("ckpt_path", "paths.run")
        and (name in _AGAIN or not _is_kept(run, option, trusted))
    ]
    options = [*config_folders().arguments, override("ckpt_path", run), *repeated]
    if creates_processes_externally():
        return f"the same launcher and {shlex.join(options)}"
    return shlex.join([*program("train"), *options])


def _is_kept(run: Path, option: str, trusted: Sequence[str]) -> bool:
    try:
        check_kept(run, [option], trusted, ())
    except GFMError:
        return False
    return True


def _find(where: str, config_dir: str | None, now: Options) -> tuple[Path, Path] | None:
    """Return a run's folder and checkpoint; ``None`` for a checkpoint outside of a run's folder."""
    path = _latest_run(config_dir, now) if where == "last" else Path(where)
    if path.is_dir():
        if not (path / OVERRIDES).is_file():
            raise GFMError(f"{path} is not the folder of a run: it lacks {OVERRIDES}")
        return path, path / LAST_CHECKPOINT
    near = [folder for folder in list(path.parents)[:2] if (folder / OVERRIDES).is_file()]
    return (near[0], path) if near else None


def _latest_run(config_dir: str | None, now: Options) -> Path:
    """Return the folder of the run with the latest checkpoint."""
    where = ("paths.", "hydra.searchpath")
    places = [o for name, o in now.items() if name.startswith(where) and name != "paths.run"]
    extra = Path(config_dir) if config_dir else None
    runs = Path(compose_from(CONFIGS, "train", places, extra).paths.runs)
    found = sorted(runs.glob(f"**/{LAST_CHECKPOINT}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise GFMError(f"ckpt_path=last: no run below {runs} has a checkpoint to resume from")
    return found[-1].parents[1]


def _merge(before: Options, now: Options) -> Options:
    """Merge earlier options with those given now, which may replace or remove them."""
    merged = {n: o for n, o in before.items() if n not in _AGAIN and not n.startswith("hydra")}
    for name, option in now.items():
        if option.startswith("~") and merged.get(name, "").startswith("+"):
            del merged[name]
        else:
            merged[name] = option
    return merged


def _check_config_folders(
    folder: Path, arguments: Sequence[str], config_dir: str | None, now: Options
) -> None:
    """Check that the command line repeats or replaces the configuration folders of a run."""
    saved = saved_config_folders(folder)
    lacking = ConfigFolders(
        None if config_dir else saved.config_dir,
        None if "hydra.searchpath" in now else saved.search,
    )
    if any(lacking):
        command = shlex.join([*program("train"), *lacking.arguments, *arguments])
        raise GFMError(
            f"the run in {folder} read configuration files from other folders, which may name any "
            f"code: if you trust them, type {command}"
        )


def _trusted(options: Options) -> list[str]:
    packages = parse_override(options.get("trust", "trust=[]")).value()
    return [str(package) for package in packages] if isinstance(packages, list) else []


def _value(options: Options, name: str) -> str | None:
    """Return the value that an override sets; ``None`` without an override."""
    value = parse_override(options[name]).value() if name in options else None
    return None if value is None else str(value)
