"""Processes reuse the memory that they free."""

import platform
import subprocess
import sys

import pytest

from tests.conftest import PROJECT

CODE = """
import resource, sys
from gfm.system.memory import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
bytearray(20_000_000)
start = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    one, other = bytearray(9_000_000), bytearray(9_000_000)
    del one, other
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - start)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has the setting")
def test_freed_memory_is_used_again():
    faults = {}
    for mode in ("keep", "return"):
        words = [sys.executable, "-c", CODE, mode]
        faults[mode] = int(
            subprocess.run(words, capture_output=True, check=True, cwd=PROJECT).stdout
        )
    assert faults["keep"] < faults["return"] / 10
