"""How the entry points start and how they fail."""

import errno
import logging
import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from rich.markup import escape

from gfm.compat.faults import is_of_lightning
from gfm.compat.hydra import NOISE
from gfm.compat.torch import fault_in_worker, is_of_dead_worker
from gfm.errors import GFMError
from gfm.launch.options import register_help
from gfm.launch.overrides import check_choices, protect_paths
from gfm.launch.sweeps import ERROR, in_sweep
from gfm.system.console import close_log, console
from gfm.system.processes import heed_hangup
from gfm.system.ranks import came_together, is_first

# `launch` sets Hydra's variable, and child processes inherit it.
_WISH = os.environ.setdefault("GFM_TRACEBACK", os.environ.get("HYDRA_FULL_ERROR", "0"))
_WANTS_TRACEBACK = _WISH == "1"


@contextmanager
def faults(go_on: str | None = None, saved: Path | None = None) -> Iterator[None]:
    """Ends a fault of the input in one line and exit status 1.

    In a sweep no fault of a job ends the others: it is printed, and kept as ``error.txt`` in the
    job's folder. ``HYDRA_FULL_ERROR=1`` shows the traceback instead. A run that SIGTERM ended says
    how to go on, with exit status 75, which schedulers take for "try again"; one that Control-C
    ended likewise, with 130.

    Args:
        go_on: what continues a run that was terminated; ``None`` where nothing does.
        saved: what it goes on from; where there is no such file, there is nothing to go on from.
    """
    try:
        yield
    except (SystemExit, KeyboardInterrupt) as error:
        status = _status(error)
        if status is None:
            raise
        if is_first():
            text = "interrupted" if status == _INTERRUPTED else "terminated"
            if in_sweep():
                go_on = f"the same command and hydra.sweep.dir={HydraConfig.get().sweep.dir}"
            if go_on and (saved is None or saved.exists()):
                text += f"; what is done was saved: go on with {go_on}"
            console(stderr=True).print(text, highlight=False, markup=False)
        sys.exit(status)
    except Exception as error:
        is_input = isinstance(error, (GFMError, HydraException, OmegaConfBaseException))
        is_input |= is_of_dead_worker(error) or is_of_lightning(error) or _is_of_disk(error)
        if is_input and not _WANTS_TRACEBACK:
            text = one_line(error)
            console(stderr=True).print("[bold red]error:[/]", escape(text), highlight=False)
        elif in_sweep():
            text = traceback.format_exc()
            print(text, file=sys.stderr)
        else:
            raise
        if not in_sweep():
            sys.exit(1)
        Path(HydraConfig.get().runtime.output_dir, ERROR).write_text(text + "\n")
    finally:
        close_log()


_INTERRUPTED = 130  # exit status of what Control-C ended, as shells have it


def _status(error: SystemExit | KeyboardInterrupt) -> int | None:
    """The exit status of what a signal ended; ``None`` of what ended otherwise."""
    if isinstance(error, KeyboardInterrupt):
        return _INTERRUPTED
    # Lightning makes such an exit of Control-C where nobody else heeds it.
    if isinstance(error.__context__, KeyboardInterrupt) and error.code == 1:
        return _INTERRUPTED
    # Asked this way, since a fault before Lightning was imported should not wait for it.
    module = sys.modules.get("pytorch_lightning.utilities.exceptions")
    if module is None or not isinstance(error, module.SIGTERMException):
        return None
    return int(error.code or os.EX_TEMPFAIL)


_DISK_FAULTS = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "free some disk"),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "choose another folder"),
    errno.EIO: "check the disk",
}
"""What helps when a disk is full, closed or broken, by the number of the system's error."""


def _is_of_disk(error: BaseException) -> bool:
    """Whether a disk is at fault, whichever library met it."""
    return isinstance(error, OSError) and error.errno in _DISK_FAULTS


def quiet() -> None:
    """Hides advertisements, and warnings about files that Hydra wrote before."""
    for name in (
        "pytorch_lightning.trainer",
        "pytorch_lightning.utilities",
        "lightning_fabric.utilities",
    ):
        logging.getLogger(name).setLevel(logging.WARNING)  # the packages set their own on import
    warnings.filterwarnings("ignore", "Experiment logs directory .* exists and is not empty")
    # Steps that log are counted through all epochs.
    warnings.filterwarnings("ignore", "The number of training batches .* is smaller than the log")
    warnings.filterwarnings("ignore", "The '.*dataloader' does not have many workers")
    warnings.filterwarnings("ignore", ".*treespec, LeafSpec")


def launch(app: Callable[[], Any], arguments: Callable[[Sequence[str]], list[str]]) -> None:
    """Runs a Hydra app, quietly; faults of its composition end as above.

    Args:
        app: of Hydra.
        arguments: from the command line to the one that Hydra sees.
    """
    quiet()
    heed_hangup()
    register_help()
    warnings.showwarning = _show_warning
    os.environ["HYDRA_FULL_ERROR"] = "1"  # else Hydra prints and exits by itself
    with faults(go_on=None):
        sys.argv[1:] = protect_paths(sys.argv[1:])
        check_choices(sys.argv[1:])
        sys.argv[1:] = arguments(sys.argv[1:])
        if came_together() and not is_first():  # makes no folder of its own
            sys.argv += ["hydra.output_subdir=null", "hydra.run.dir=."]
        app()


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    console(stderr=True).print(f"warning: {message}", markup=False, highlight=False)


def one_line(error: BaseException) -> str:
    """The error's text in one line, without what Hydra, OmegaConf and loader workers add."""
    if isinstance(error, OSError) and _is_of_disk(error):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}; {_DISK_FAULTS[error.errno or 0]}"
    text = str(error)
    if is_of_dead_worker(error):  # it is gone, and left no word
        return f"{text.splitlines()[0]} Most often memory ran out: lower data.num_workers"
    text = fault_in_worker(error) or text
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    kept = [line for line in lines if not line.startswith(NOISE)]
    key = getattr(error, "full_key", None)  # of OmegaConf, which says it in such a line
    if key and key not in text.partition("full_key")[0]:
        kept.insert(0, f"{key}:")
    if recipe := re.search(r"Could not find 'recipe/(\w+)'", text):
        return f"data={recipe[1]} has no recipe of its own: add recipe=am2k, or a YAML of that name"
    return " ".join(kept) or type(error).__name__
