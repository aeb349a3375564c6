"""Processes that multiprocessing starts are prepared like the first one."""

import multiprocessing
import subprocess
import sys
import warnings

from gfm.system.startup import prepare_spawned_process


def warn_twice() -> None:
    prepare_spawned_process()
    warnings.warn("`isinstance(treespec, LeafSpec)` is deprecated", FutureWarning, stacklevel=1)
    warnings.warn("`ModelCheckpoint(monitor='val/sad')` could not find the monitored key")  # noqa: B028
    warnings.warn("this matters", stacklevel=1)


def start() -> None:
    process = multiprocessing.get_context("spawn").Process(target=warn_twice)
    process.start()
    process.join()


def test_a_spawned_process_hides_the_noise_of_libraries():
    command = f"from {__name__} import start; start()"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True)
    assert done.stderr.splitlines() == ["warning: this matters"]
