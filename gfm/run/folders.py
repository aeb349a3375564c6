"""Gives each run a folder of its own."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from gfm.compat.hydra import Callback
from gfm.errors import WriteError
from gfm.run.entry import faults
from gfm.run.overrides import override
from gfm.system.locks import acquire_lock
from gfm.system.ranks import is_global_zero


class OwnFolder(Callback):
    """Gives each run and each sweep a folder that no other uses, before Hydra writes to it.

    Hydra names folders after the second in which a run starts, so two runs may get the same name.
    The later one then gets ``_2`` and so on at the end of its name. If the user names a folder that
    another run is using, the new run ends with an error, and the files of the other are untouched.
    """

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Claim the folder of a run."""
        if not is_global_zero():  # the others use the folder of the first
            return
        with faults():
            folder = _own(config.hydra.run)
            acquire_lock(folder)
            with read_write(config), open_dict(config):
                config.hydra.run.dir = str(folder)

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Make the folder of a sweep, in which each job gets its own."""
        with faults():
            folder = _own(config.hydra.sweep)
            with read_write(config), open_dict(config):
                config.hydra.sweep.dir = str(folder)
                # Each job composes its configuration from the overrides again.
                config.hydra.overrides.hydra.append(override("hydra.sweep.dir", str(folder)))


def _own(node: DictConfig) -> Path:
    folder = Path(node.dir)
    is_dated = "${now:" in str(OmegaConf.to_container(node, resolve=False)["dir"])  # type: ignore[index,call-overload]
    return make_new(folder) if is_dated else folder


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
