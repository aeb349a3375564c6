"""Gives each run an exclusive folder with a log."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from gfm.compat.hydra import Callback
from gfm.errors import GFMError, WriteError
from gfm.run.exit import report_errors
from gfm.run.overrides import override
from gfm.run.saved_options import save_overrides
from gfm.system.console import open_log
from gfm.system.files import remove_stale, write_text
from gfm.system.locks import LOCK, acquire_lock, folder_lock, release_lock
from gfm.system.ranks import creates_processes_externally, is_global_zero
from gfm.system.run_folder import LAST_CHECKPOINT, SPLIT, is_inside
from gfm.system.safe_path import check_launcher

if TYPE_CHECKING:  # it imports torch, but Hydra imports this file even for --help
    from gfm.config import Config


class UniqueFolder(Callback):
    """Gives each run and sweep an exclusive folder before Hydra writes to it.

    Hydra names folders after the second in which a run starts, so two runs may get the same name.
    The later one then gets ``_2`` and so on at the end of its name. If the user names a folder that
    another run is using, or that holds an earlier training, the new run ends with an error, and
    leaves the files of the other run untouched.
    """

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Lock the folder of a run."""
        if not is_global_zero():  # the others use the folder of rank zero
            return
        with report_errors(), read_write(config), open_dict(config):
            if names_folder(config):  # Hydra writes its files there, too
                config.hydra.run.dir = config.paths.run
            named = Path(config.hydra.run.dir)
            missing = [path for path in (named, *named.parents) if not path.exists()]
            folder = _folder(config.hydra.run)
            if folder != named or folder in missing:
                _made[folder.resolve()] = missing
            acquire_lock(folder)
            if "ckpt_path" in config:
                check_new(folder, config.ckpt_path)
            else:  # an evaluation
                check_not_training(folder)
            config.hydra.run.dir = str(folder)

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Make the folder of a sweep, in which each job gets its own."""
        with report_errors():
            check_launcher(str(config.hydra.launcher._target_))
            folder = _folder(config.hydra.sweep)
            with read_write(config), open_dict(config):
                config.hydra.sweep.dir = str(folder)
                # Each job composes its configuration from the overrides again.
                config.hydra.overrides.hydra.append(override("hydra.sweep.dir", str(folder)))


_made: dict[Path, list[Path]] = {}
"""Folders made for runs of this process, each with the paths that did not exist before."""

_OF_START = {".hydra", LOCK, "config.yaml", "train.log", str(SPLIT)}
"""Files that a run writes before it validates or trains."""


@contextmanager
def discard_failed_start(folder: Path) -> Iterator[None]:
    """Remove the folder of a run that ends with an error before it has validated or trained.

    The error has already been printed. Folders that existed before the run are kept.
    """
    try:
        yield
    except SystemExit as end:
        missing = _made.pop(folder.resolve(), None)
        if (
            end.code
            and missing is not None
            and {path.name for path in folder.iterdir()} <= _OF_START
        ):
            release_lock(folder)
            shutil.rmtree(folder, ignore_errors=True)
            for path in missing:
                with suppress(OSError):  # already removed, or not empty
                    path.rmdir()
        raise


def _folder(node: DictConfig) -> Path:
    folder = Path(node.dir)
    is_dated = "${now:" in str(OmegaConf.to_container(node, resolve=False)["dir"])  # type: ignore[index,call-overload]
    return make_new(folder) if is_dated else folder


def names_folder(config: DictConfig) -> bool:
    """Return whether ``paths.run`` is set; otherwise it is the folder that Hydra makes.

    Raises:
        GFMError: ``paths.run`` is not a string.
    """
    paths: Any = OmegaConf.to_container(config.paths, resolve=False)
    if not isinstance(paths.get("run"), str):
        raise GFMError("set paths.run to a folder, in quotes if its name looks like a number")
    return "${hydra:" not in paths["run"]


def make_new(folder: Path) -> Path:
    """Make a new folder, with ``_2``, ``_3`` … added to its name if that is taken.

    Raises:
        WriteError: The folder cannot be made.
    """
    number, path = 1, folder
    while True:
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            number += 1
            path = folder.with_name(f"{folder.name}_{number}")
        except OSError as error:
            raise WriteError(
                f"cannot make {path} ({error.strerror or error}): set paths.runs"
            ) from error
        else:
            return path


def check_new(folder: Path, resumed: str | None) -> None:
    """Check that a run would not replace the checkpoints of a different run.

    Raises:
        GFMError: The folder holds a run that can be resumed, and ``resumed`` is not from it.
    """
    is_own = resumed is not None and is_inside(Path(resumed), folder)
    if (folder / LAST_CHECKPOINT).is_file() and not is_own:
        raise GFMError(
            f"{folder} holds an earlier run: resume it with {override('ckpt_path', folder)}, or "
            "set paths.run to a new folder"
        )


def check_not_training(folder: Path) -> None:
    """Check that an evaluation would not replace the configuration of a training run.

    Raises:
        GFMError: The folder holds a training run that can be resumed.
    """
    if (folder / LAST_CHECKPOINT).is_file():
        raise GFMError(f"{folder} holds a training run: set paths.run to another folder")


@contextmanager
def use_folder(folder: Path, log: str) -> Iterator[Path]:
    """Lock the folder of a run, and append what is printed to a log in it.

    Raises:
        GFMError: Another run is using the folder.
        WriteError: The folder cannot be written.
    """
    with folder_lock(folder):
        if is_global_zero():
            open_log(folder / log)
            remove_stale(folder, "**/.*.tmp")
        yield folder


def check_shared(config: DictConfig) -> None:
    """Check that processes started by torchrun or srun use the same folder.

    Raises:
        GFMError: Each process has a different folder.
    """
    if not creates_processes_externally() or names_folder(config):
        return
    hydra = HydraConfig.get()
    if hydra.mode != RunMode.MULTIRUN:
        raise GFMError("these processes need a folder in common: set paths.run=<folder>")
    if "submitit" not in hydra.launcher._target_:  # the tasks of a submitit job share its folder
        raise GFMError(
            "torchrun and srun would start the whole sweep in each process: start it once, with "
            "trainer.strategy=ddp_spawn or hydra/launcher=submitit_slurm"
        )


def save_config(config: "Config") -> None:
    """Write the configuration of a run, and the overrides that it was started with."""
    if is_global_zero():
        write_text(config.folder / "config.yaml", OmegaConf.to_yaml(_with_absolute_paths(config)))
        save_overrides(config.folder)


def _with_absolute_paths(config: "Config") -> dict[str, Any]:
    """Return a configuration with absolute paths, which can be read from any current folder."""
    plain = config.to_dict()
    data = plain["data"]
    for section, name in ((plain, "checkpoint"), (data, "root")):
        if section.get(name):
            section[name] = _absolute(section[name])
    if data.get("also"):
        data["also"] = [_absolute(path) for path in data["also"]]
    return plain


def _absolute(path: str) -> str:
    """Return an existing path as absolute; return a name such as ``released:r34_tt`` unchanged."""
    return str(Path(path).absolute()) if Path(path).exists() else path
