"""Starts the Hydra apps ``train`` and ``evaluate``."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from gfm.compat.hydra import parse_arguments
from gfm.errors import GFMError
from gfm.run.exit import report_errors
from gfm.run.overrides import check_overrides, quote_paths
from gfm.run.resume import resume_overrides
from gfm.run.saved_options import by_option
from gfm.run.test_set_options import separate_test_sets
from gfm.system.ranks import creates_processes_externally, is_global_zero
from gfm.system.safe_path import keep_current_folder_off_path
from gfm.system.startup import prepare_process


def run_hydra_app(app: Callable[[], Any], trains: bool = False) -> None:
    """Run a Hydra app; report errors in its arguments or configuration in one line.

    Args:
        app: Hydra's main function.
        trains: Whether the app trains; then ``ckpt_path`` resumes a run with its options.
    """
    keep_current_folder_off_path()
    prepare_process()
    # Otherwise Hydra prints errors and exits; gfm.run.exit has read the value of the user.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    with report_errors():
        _check_current_folder()
        sys.argv[1:] = prepare_arguments(sys.argv[1:], trains)
        app()


def _check_current_folder() -> None:
    try:
        os.getcwd()
    except FileNotFoundError:
        raise GFMError("the current folder was deleted: change to another, as in cd ~") from None


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
    if trains and "ckpt_path" in by_option(overrides):
        overrides = resume_overrides(arguments, flags, overrides)
    if "data" in by_option(overrides):
        overrides = separate_test_sets(overrides, trains)
    if creates_processes_externally() and not is_global_zero():  # rank 0 makes the folder
        overrides += ["hydra.output_subdir=null", "hydra.run.dir=."]
    return [*others, *overrides]  # Hydra refuses overrides with a flag between them
