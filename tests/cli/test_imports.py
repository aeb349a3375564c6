"""The command line starts without heavy libraries."""

import subprocess
import sys

from tests.conftest import PROJECT


def test_workers_limit_threads_before_numpy_is_imported():
    """Spawned workers import the main module, here ``gfm.cli``, before they set their threads."""
    code = "import sys, gfm.cli; sys.exit(bool({'numpy', 'cv2', 'torch'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT).returncode == 0
