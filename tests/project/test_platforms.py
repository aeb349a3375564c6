"""Types are correct for platforms that the tests do not run on, whose modules lack some names."""

import subprocess
import sys

import pytest

from tests.conftest import PROJECT


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_names_exist(platform, tmp_path):
    words = [sys.executable, "-m", "mypy", "--platform", platform, "--cache-dir", tmp_path]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
