"""Prepares the process of a run."""

import logging
import multiprocessing
import warnings

from gfm.system.console import show_warning
from gfm.system.memory import keep_freed_memory
from gfm.system.processes import handle_like_sigterm


def prepare_process() -> None:
    """Set up signals, warnings, memory and the start of workers; each process must call this."""
    silence_libraries()
    keep_freed_memory()
    warnings.showwarning = show_warning
    handle_like_sigterm()
    if multiprocessing.get_start_method(allow_none=True) == "loky":
        # The joblib launcher sets this method, with which only joblib can start workers.
        multiprocessing.set_start_method(None, force=True)


def prepare_spawned_process() -> None:
    """Prepare this process if multiprocessing has started it, as with ``ddp_spawn``."""
    if multiprocessing.parent_process() is not None:
        prepare_process()


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
    # Lightning says this before the first validation; afterwards it is an error.
    warnings.filterwarnings("ignore", ".*could not find the monitored key")
    # Logging counts steps across epochs, so short epochs do no harm.
    warnings.filterwarnings("ignore", "The number of training batches .* is smaller than the log")
    warnings.filterwarnings("ignore", "The '.*dataloader' does not have many workers")
    warnings.filterwarnings("ignore", ".*treespec, LeafSpec")
