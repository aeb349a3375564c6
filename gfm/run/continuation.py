"""Completes the command line of a run that is resumed by ``ckpt_path``.

``ckpt_path`` is ``last``, the folder of a run, or a checkpoint in such a folder. Hydra makes a
folder before it calls our code, so the arguments are changed before Hydra sees them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gfm.compat.hydra import compose_from, parse_arguments, parse_override
from gfm.errors import GFMError
from gfm.run.configs import CONFIGS
from gfm.run.kept_options import Options, by_name, kept_options, kept_places
from gfm.run.overrides import override
from gfm.system.ranks import creates_processes_externally
from gfm.system.run_folder import LAST_CHECKPOINT, OVERRIDES


def in_own_folder(arguments: Sequence[str]) -> list[str]:
    """Return arguments that make Hydra write its files to ``paths.run``, too."""
    flags, overrides = parse_arguments(arguments)
    given = by_name(overrides)
    run = given.get("paths.run")
    # Processes of torchrun and srun need no such argument: only rank 0 has files of Hydra.
    if run is None or "hydra.run.dir" in given or flags.multirun or creates_processes_externally():
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
    now = by_name(overrides)
    where = _text(now.get("ckpt_path"))
    found = None if flags.multirun or not where else _find(where, flags, now)
    if found is None:
        return in_own_folder(arguments)
    folder, checkpoint = found
    before = by_name(kept_options(folder))
    own = {"ckpt_path": checkpoint, "paths.run": Path(_text(now.get("paths.run")) or folder)}
    merged = {k: o for k, o in _merged(before, now).items() if k not in own}
    merged |= {name: override(name, path) for name, path in own.items()}
    if own["paths.run"] == folder:  # keep its files; `keep_options` adds to them
        merged["hydra.output_subdir"] = "hydra.output_subdir=null"
    merged.setdefault("hydra.run.dir", override("hydra.run.dir", own["paths.run"]))
    flags_alone = [a for a in arguments if a not in overrides]
    return [*flags_alone, *_places(folder, flags, now), *merged.values()]


def _find(where: str, flags: Any, now: Options) -> tuple[Path, Path] | None:
    """Return a run's folder and checkpoint; ``None`` if the checkpoint belongs to no run."""
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


def _places(folder: Path, flags: Any, now: Options) -> list[str]:
    """Return arguments that name the configuration folders of a run, unless others are given."""
    config_dir, search = kept_places(folder)
    places = [search] if search and "hydra.searchpath" not in now else []
    if config_dir and flags.config_dir is None:
        places = ["--config-dir", str(config_dir), *places]  # flags precede overrides
    return places


def _text(option: str | None) -> str | None:
    """Return the value that an override sets; ``None`` without an override."""
    if option is None:
        return None
    value = parse_override(option).value()
    return None if value is None else str(value)
