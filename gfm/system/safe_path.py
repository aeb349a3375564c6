"""Keeps Python from importing modules from the current folder.

The folder may contain somebody else's files, such as a ``yaml.py``. Scripts, such as the command
``gfm``, look for modules in their own folder first. Workers are started with ``python -c`` or
``python -m``, which look in the current folder first.
"""

import multiprocessing.util as multiprocessing_util
import os
import sys
from pathlib import Path

import __main__
from gfm.errors import GFMError


def keep_current_folder_off_path() -> None:
    """Make the processes that this one starts ignore modules in the current folder.

    This does nothing after ``python -m``, which itself adds the current folder.
    """
    if __main__.__spec__ is not None or "PYTHONSAFEPATH" in os.environ:
        return
    if sys.version_info < (3, 11):
        _isolate_workers()
    os.environ["PYTHONSAFEPATH"] = "1"  # from Python 3.11 on
    folder = str(Path(sys.argv[0]).resolve().parent)
    if sys.path[0] == folder:  # the script's folder: Lightning restarts it for each device
        paths = [folder, os.environ.get("PYTHONPATH")]
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))


def check_launcher(target: str) -> None:
    """Check that processes of a Hydra launcher cannot import from the current folder.

    They are started with ``python -m``, which cannot be made safe before Python 3.11. The folder of
    the running script is trusted.

    Raises:
        GFMError: Python is older than 3.11, and the current folder contains modules.
    """
    here, script = Path.cwd(), Path(sys.argv[0]).resolve().parent
    if sys.version_info >= (3, 11) or target.endswith(".BasicLauncher") or here == script:
        return
    modules = (path for pattern in ("*.py", "*/*.py", "*.so") for path in here.glob(pattern))
    if found := next(modules, None):
        raise GFMError(
            f"processes of this launcher could import {found.relative_to(here)} from the current "
            "folder: start the sweep in a folder without modules, or use Python 3.11 or newer"
        )


def _isolate_workers() -> None:
    """Start workers with ``python -I``; they first receive the ``sys.path`` of this process."""
    flags = multiprocessing_util._args_from_interpreter_flags  # type: ignore[attr-defined]
    multiprocessing_util._args_from_interpreter_flags = lambda: [*flags(), "-I"]  # type: ignore[attr-defined]
