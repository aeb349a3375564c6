"""Starts the Hydra apps ``train`` and ``evaluate``."""

import logging
import multiprocessing
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from gfm.compat.hydra import parse_arguments
from gfm.run.exit import report_errors
from gfm.run.overrides import check_overrides, quote_paths
from gfm.run.resume import resume_overrides
from gfm.run.test_sets import separate_test_sets
from gfm.system.console import show_warning
from gfm.system.memory import keep_freed_memory
from gfm.system.processes import handle_like_sigterm
from gfm.system.ranks import creates_processes_externally, is_global_zero
from gfm.system.safe_path import keep_current_folder_off_path


def run_app(app: Callable[[], Any], trains: bool = False) -> None:
    """Run a Hydra app; report errors in its arguments or configuration in one line.

    Args:
        app: Hydra's main function.
        trains: Whether the app trains; then ``ckpt_path`` resumes a run with its options.
    """
    keep_current_folder_off_path()
    prepare_process()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # otherwise Hydra prints the error and exits itself
    with report_errors():
        sys.argv[1:] = prepare_arguments(sys.argv[1:], trains)
        app()


def prepare_process() -> None:
    """Set up signals, warnings, memory and the start of workers; each process must call this."""
    silence_libraries()
    keep_freed_memory()
    warnings.showwarning = show_warning
    handle_like_sigterm()
    if multiprocessing.get_start_method(allow_none=True) == "loky":
        # The joblib launcher sets this method, with which only joblib can start workers.
        multiprocessing.set_start_method(None, force=True)


def prepare_arguments(arguments: Sequence[str], trains: bool) -> list[str]:
    """Return the arguments that Hydra reads in place of the command line.

    Paths that contain ``=`` are quoted, overrides follow the flags, a resumed run gets its earlier
    options, and each of several test sets is composed separately.

    Raises:
        GFMError: An argument is malformed, or there is no run to resume.
    """
    arguments = quote_paths(arguments)
    check_overrides(arguments)
    flags, overrides = parse_arguments(arguments)
    others = [a for a in arguments if a not in overrides]
    if trains:
        overrides = resume_overrides(arguments, flags, overrides)
    overrides = separate_test_sets(overrides, trains)
    if creates_processes_externally() and not is_global_zero():  # rank 0 makes the folder
        overrides += ["hydra.output_subdir=null", "hydra.run.dir=."]
    return [*others, *overrides]  # Hydra refuses overrides with a flag between them


def silence_libraries() -> None:
    """Hide the libraries' advertisements, and their warnings about intended behaviour."""
    for name in (
        "pytorch_lightning.trainer",
        "pytorch_lightning.utilities",
        "lightning_fabric.utilities",
    ):
        logging.getLogger(name).setLevel(logging.WARNING)  # imports have set other levels
    for folder in ("Experiment logs", "Checkpoint"):  # a resumed run has both
        warnings.filterwarnings("ignore", f"{folder} directory .* exists and is not empty")
    # Logging counts steps across epochs, so short epochs do no harm.
    warnings.filterwarnings("ignore", "The number of training batches .* is smaller than the log")
    warnings.filterwarnings("ignore", "The '.*dataloader' does not have many workers")
    warnings.filterwarnings("ignore", ".*treespec, LeafSpec")
