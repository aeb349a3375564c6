"""The folder that a run writes to: new where it is named after the time, and its own."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from gfm.compat.hydra import Callback
from gfm.errors import WriteError
from gfm.launch.entry import faults
from gfm.launch.overrides import override
from gfm.system.locks import claim
from gfm.system.ranks import is_first


class OwnFolder(Callback):
    """Gives each run, and each sweep, a folder that no other has, before Hydra writes to it.

    Hydra names folders after the second in which a run begins, so two may get the same; the later
    one then gets the name with ``_2`` and so on. Where the user names the folder, a run that is
    using it keeps it, with its files as they are, and the new one ends in one line.
    """

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Of a run."""
        if not is_first():  # the others use the folder of the first
            return
        with faults():
            folder = _own(config.hydra.run)
            claim(folder)
            with read_write(config), open_dict(config):
                config.hydra.run.dir = str(folder)

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Of a sweep, in which each job gets a folder of its own."""
        with faults():
            folder = _own(config.hydra.sweep)
            with read_write(config), open_dict(config):
                config.hydra.sweep.dir = str(folder)
                # Jobs are composed anew, from the overrides.
                config.hydra.overrides.hydra.append(override("hydra.sweep.dir", str(folder)))


def _own(node: DictConfig) -> Path:
    folder = Path(node.dir)
    is_dated = "${now:" in str(OmegaConf.to_container(node, resolve=False)["dir"])  # type: ignore[index,call-overload]
    return make_new(folder) if is_dated else folder


def make_new(folder: Path) -> Path:
    """Makes a folder that was not there: of this name, or with ``_2``, ``_3`` … after it.

    Raises:
        WriteError: it cannot be made.
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
