"""Starts the entry points, and ends them in one line if the input is at fault."""

import errno
import logging
import os
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

from gfm.compat.hydra import NOISE, missing_choice
from gfm.compat.lightning_errors import exit_status_after_signal, is_misconfiguration
from gfm.compat.torch import is_killed_worker, message_from_worker
from gfm.errors import INTERRUPTED, GFMError
from gfm.run.help_text import register_help
from gfm.run.overrides import check_choices, pasted, protect_paths
from gfm.run.sweeps import ERROR, in_sweep
from gfm.system.console import close_log, console, log_only
from gfm.system.processes import treat_hangup_as_sigterm
from gfm.system.ranks import creates_processes_externally, is_global_zero

# `launch` sets Hydra's variable, and child processes inherit it.
_WISH = os.environ.setdefault("GFM_TRACEBACK", os.environ.get("HYDRA_FULL_ERROR", "0"))
_WANTS_TRACEBACK = _WISH == "1"


@contextmanager
def faults(go_on: str | None = None, saved: Path | None = None) -> Iterator[None]:
    """Report a fault of the input in one line, and exit with status 1.

    ``HYDRA_FULL_ERROR=1`` shows the traceback instead. In a sweep, a failed job does not end the
    others: its error is printed, and written to ``error.txt`` in the folder of the job. A run ended
    by SIGTERM prints how to go on and exits with status 75, which tells schedulers to try again; a
    run ended by Control-C does the same with status 130.

    Args:
        go_on: What continues an interrupted run, such as an option; ``None`` if nothing does.
        saved: Checkpoint to go on from. If there is no such file, ``go_on`` is not printed.
    """
    try:
        yield
    except (SystemExit, KeyboardInterrupt) as error:
        status = exit_status_after_signal(error)
        if status is None:
            raise
        if is_global_zero():
            _say_goodbye(status, go_on if saved is None or saved.exists() else None)
        sys.exit(status)
    except Exception as error:
        is_input = isinstance(error, (GFMError, HydraException, OmegaConfBaseException))
        is_input |= is_killed_worker(error) or is_misconfiguration(error) or _is_of_disk(error)
        if is_input and not _WANTS_TRACEBACK:
            text = one_line(error)
            console(stderr=True).print("[bold red]error:[/]", escape(text), highlight=False)
        else:
            text = traceback.format_exc()
            log_only(text)
            if not in_sweep():
                raise
            print(text, file=sys.stderr)
        if not in_sweep():
            sys.exit(1)
        Path(HydraConfig.get().runtime.output_dir, ERROR).write_text(text + "\n")
    finally:
        close_log()


def _say_goodbye(status: int, go_on: str | None) -> None:
    """Print that a signal ended the run and, if ``go_on`` is given, how it is continued."""
    text = "interrupted" if status == INTERRUPTED else "terminated"
    if go_on and in_sweep():
        go_on = f"the same command and {pasted('hydra.sweep.dir', HydraConfig.get().sweep.dir)}"
    if go_on:
        text += f"; what is done was saved: go on with {go_on}"
    console(stderr=True).print(text, highlight=False, markup=False)


_DISK_FAULTS = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "free disk space"),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "choose another folder"),
    errno.EIO: "check the disk",
}
"""What helps when a disk is full, closed or broken, by the number of the system's error."""


def _is_of_disk(error: BaseException) -> bool:
    """Return whether a disk is at fault, whichever library met it."""
    return isinstance(error, OSError) and error.errno in _DISK_FAULTS


def quiet() -> None:
    """Hide advertisements, and warnings about what is intended here."""
    for name in (
        "pytorch_lightning.trainer",
        "pytorch_lightning.utilities",
        "lightning_fabric.utilities",
    ):
        logging.getLogger(name).setLevel(logging.WARNING)  # importing the packages sets others
    warnings.filterwarnings("ignore", "Experiment logs directory .* exists and is not empty")
    # Logging counts steps across epochs, so short epochs do no harm.
    warnings.filterwarnings("ignore", "The number of training batches .* is smaller than the log")
    warnings.filterwarnings("ignore", "The '.*dataloader' does not have many workers")
    warnings.filterwarnings("ignore", ".*treespec, LeafSpec")


def launch(app: Callable[[], Any], arguments: Callable[[Sequence[str]], list[str]]) -> None:
    """Run a Hydra app without its noise; errors in the configuration end in one line.

    Args:
        app: Hydra's main function.
        arguments: Turns the arguments of the command line into those that Hydra sees.
    """
    quiet()
    treat_hangup_as_sigterm()
    register_help()
    warnings.showwarning = _show_warning
    os.environ["HYDRA_FULL_ERROR"] = "1"  # otherwise Hydra prints the error and exits itself
    with faults(go_on=None):
        sys.argv[1:] = protect_paths(sys.argv[1:])
        check_choices(sys.argv[1:])
        sys.argv[1:] = arguments(sys.argv[1:])
        if (
            creates_processes_externally() and not is_global_zero()
        ):  # only the first process makes a folder
            sys.argv += ["hydra.output_subdir=null", "hydra.run.dir=."]
        app()


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    console(stderr=True).print(f"warning: {message}", markup=False, highlight=False)


def one_line(error: BaseException) -> str:
    """Return the text of an error in one line, without what Hydra, OmegaConf and workers add."""
    if isinstance(error, OSError) and _is_of_disk(error):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}; {_DISK_FAULTS[error.errno or 0]}"
    text = str(error)
    if is_killed_worker(error):  # the worker was killed and could not say why
        return f"{text.splitlines()[0]} Most often memory ran out: lower data.num_workers"
    text = message_from_worker(error) or text
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    kept = [line for line in lines if not line.startswith(NOISE)]
    key = getattr(error, "full_key", None)  # of OmegaConf, which says it in such a line
    if key and key not in text.partition("full_key")[0]:
        kept.insert(0, f"{key}:")
    group, choice = missing_choice(error) or ("", "")
    if group == "recipe":
        return (
            f"data={choice} has no recipe of its own: add recipe=am2k, or a YAML of that name, or "
            "choose other data if these are only for evaluate.py"
        )
    return " ".join(kept) or type(error).__name__
