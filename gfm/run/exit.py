"""Reports user-fixable errors in one line, and sets the exit status."""

import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from rich.text import Text

from gfm.compat.hydra import NOISE, missing_choice, unknown_option
from gfm.compat.lightning_errors import exit_status_after_signal, is_misconfiguration
from gfm.compat.torch_errors import is_killed_worker, lacks_shared_memory, message_from_process
from gfm.errors import INTERRUPTED, TRY_AGAIN, GFMError
from gfm.run.overrides import shell_override
from gfm.run.sweep import ERROR, in_sweep
from gfm.run.test_set_options import ONLY_EVALUATED, is_test_set
from gfm.system.console import close_log, console, log_only
from gfm.system.files import write_text
from gfm.system.ranks import is_global_zero

# Read on import, because `run_hydra_app` then sets Hydra's variable, which child processes inherit.
_SHOW_TRACEBACK = os.environ.setdefault("GFM_TRACEBACK", os.environ.get("HYDRA_FULL_ERROR", "0"))


@contextmanager
def report_errors(
    resume: str | Callable[[], str] | None = None, saved: Path | None = None
) -> Iterator[None]:
    """Report a user-fixable error in one line, and exit with status 1.

    ``HYDRA_FULL_ERROR=1`` shows the traceback instead. A failed job of a sweep does not end the
    others: its error is printed and written to ``error.txt`` in its folder, and the context returns
    as if nothing had happened. A run ended by SIGTERM prints how to resume it and exits with status
    75, which tells schedulers to try again; after Control-C the status is 130.

    Args:
        resume: Command or option that resumes an interrupted run, or a function that returns it;
            ``None`` if it cannot be resumed.
        saved: Checkpoint to resume from; unless it exists, ``resume`` is not printed. A sweep can
            be resumed in any case.
    """
    before = _modification_time(saved)
    try:
        yield
    except (SystemExit, KeyboardInterrupt) as error:
        status = exit_status_after_signal(error)
        if status is None:
            raise
        if is_global_zero():
            can_resume = saved is None or saved.exists() or in_sweep()
            is_new = saved is None or _modification_time(saved) != before
            _report_signal(status, resume if can_resume else None, is_new)
        _ignore_sigterm(status)
        sys.exit(status)
    except Exception as error:
        if not _is_expected(error) and not in_sweep():
            log_only(traceback.format_exc())
            raise
        text = _print_error(error)
        if not in_sweep():
            sys.exit(1)
        write_text(Path(HydraConfig.get().runtime.output_dir, ERROR), text + "\n")
    finally:
        close_log()


@contextmanager
def keep_status() -> Iterator[None]:
    """Keep exit status 75 of a run that SIGTERM has ended, even if SIGTERM is sent again.

    When the first process of a job exits, SLURM sends SIGTERM to the others, which may still
    be finishing their logs. They would exit with status 143, and the job would not be requeued.
    """
    try:
        yield
    except SystemExit as error:
        if HydraConfig.initialized():  # a command, which ends now; a Python caller may go on
            _ignore_sigterm(exit_status_after_signal(error))
        raise


_ENDING_SECONDS: Final = 600


def _ignore_sigterm(status: int | None) -> None:
    """Ignore SIGTERM until this process exits; after ten minutes, SIGALRM ends it."""
    if status == TRY_AGAIN and not in_sweep():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if hasattr(signal, "alarm"):  # not on Windows
            signal.alarm(_ENDING_SECONDS)


def _is_expected(error: Exception) -> bool:
    """Return whether users can fix an error, so that it needs no traceback."""
    is_expected = isinstance(error, GFMError | HydraException | OmegaConfBaseException)
    is_expected |= is_killed_worker(error) or lacks_shared_memory(error)
    is_expected |= is_misconfiguration(error) or _is_disk_error(error) or _lacks_gpu_memory(error)
    is_expected |= message_from_process(error) is not None
    return is_expected and _SHOW_TRACEBACK != "1"


def _print_error(error: Exception) -> str:
    """Print an error, with a line for each wrong option, and return what was printed."""
    if not _is_expected(error):
        text = traceback.format_exc()
        log_only(text)
        print(text, file=sys.stderr)
        return text
    lines: list[str] = getattr(error, "lines", None) or [describe_error(error)]
    for line in lines:
        console(stderr=True).print(Text("error:", "bold red"), line)
    return "\n".join(lines)


def _modification_time(path: Path | None) -> float | None:
    """Return when a file was last written; ``None`` if it does not exist."""
    return path.stat().st_mtime if path is not None and path.exists() else None


def _report_signal(status: int, resume: str | Callable[[], str] | None, is_saved: bool) -> None:
    """Print that a signal ended the run and, if ``resume`` is given, how to resume it."""
    text = "interrupted" if status == INTERRUPTED else "terminated"
    if resume and in_sweep():
        folder = HydraConfig.get().sweep.dir
        resume = f"the same command and {shell_override('hydra.sweep.dir', folder)}"
    elif callable(resume):
        resume = resume()
    if resume:
        text += f"; {'progress saved: ' if is_saved else ''}resume with {resume}"
    console(stderr=True).print(text)


_DISK_ERRORS = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "free disk space"),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "choose another folder"),
    errno.EIO: "check the disk",
}
"""Fixes for a full, read-only or broken disk, by ``errno``."""


_OF_CLASSES = ("callbacks.", "logger.", "loss.", "optimizer.", "scheduler.", "trainer.")
"""Sections whose options are arguments of a class, of which the YAML files name only some."""


def _is_disk_error(error: BaseException) -> bool:
    """Return whether the disk caused an error, in any library."""
    return isinstance(error, OSError) and error.errno in _DISK_ERRORS


def _lacks_gpu_memory(error: BaseException) -> bool:
    """Return whether torch ran out of GPU memory; this does not import torch."""
    return any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__)


def describe_error(error: BaseException) -> str:
    """Return an error's message in one line, without additions by Hydra, OmegaConf and workers."""
    if isinstance(error, OSError) and _is_disk_error(error):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}; {_DISK_ERRORS[error.errno or 0]}"
    if lacks_shared_memory(error):
        return (
            "the loader processes have too little shared memory (/dev/shm): set "
            "data.num_workers=0, or start the container with a larger --shm-size"
        )
    if _lacks_gpu_memory(error):
        is_run = HydraConfig.initialized()
        fix = "data.batch_size or data.input_size" if is_run else "--max-size, or use --device cpu"
        return f"the GPU has too little free memory: lower {fix}"
    text = str(error)
    if is_killed_worker(error):  # a killed worker cannot report the cause
        first = text.splitlines()[0] if text.startswith("DataLoader") else "DataLoader worker lost."
        return f"{first} The usual cause is running out of memory: lower data.num_workers"
    text = message_from_process(error) or text
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    kept = [line for line in lines if not line.startswith(NOISE)]
    # OmegaConf's key, which may be named only in a line that was removed.
    key = getattr(error, "full_key", None)
    if key and key not in text.partition("full_key")[0]:
        kept.insert(0, f"{key}:")
    if option := unknown_option(error):
        is_open = option.startswith(_OF_CLASSES)
        more = f", or add an argument of the class with +{option}=..." if is_open else ""
        return f"{option}: no such option; see --help{more}"
    group, choice = missing_choice(error) or ("", "")
    if group == "recipe" and not any(word.startswith("recipe=") for word in sys.argv):
        return _missing_recipe(choice)
    if group == "data" and choice.startswith((".", "/", "~")):
        return (
            f"data={choice} is a folder: write 'data=[{choice}]' to score it, or "
            f"data=pairs data.root={choice} to train on it"
        )
    return " ".join(kept) or type(error).__name__


def _missing_recipe(data: str) -> str:
    """Say what to do about a dataset without a recipe of the same name."""
    if is_test_set(data):
        return ONLY_EVALUATED.format(data)
    return (
        f"data={data} has no recipe of the same name: add recipe=am2k, or write one, or "
        "train on your own photos with data=pairs"
    )
