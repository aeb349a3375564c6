"""A forked command behaves like one started by a new interpreter."""

import os
import signal

import pytest

from tests import processes
from tests.processes import GFM, Command

CODE = """
import atexit, os, pathlib, signal, sys
print(os.getcwd(), os.environ["NAME"], os.getsid(0) == os.getpid(), sys.argv[1:])
print(signal.getsignal(signal.SIGINT) is signal.default_int_handler, "extra" in os.environ)
atexit.register(pathlib.Path("ended").touch)
"""


def test_a_command_has_a_separate_state(tmp_path):
    environment = {"NAME": "x", "PYTHONPATH": str(tmp_path)}
    done = processes.run(["-c", CODE, "a b"], tmp_path, environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path} x True ['a b']\nTrue False\n"
    assert (tmp_path / "ended").exists()
    assert os.environ.get("NAME") != "x"


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit('sorry')", 1, "sorry\n"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero\n"),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL, ""),
    ],
)
def test_the_exit_status_is_reported(code, status, error):
    done = processes.run(["-c", code])
    assert done.returncode == status
    assert done.stderr.endswith(error)
    assert bool(done.stderr) == bool(error)


def test_a_command_ends_with_its_context():
    with Command(["-c", "import time; time.sleep(60)"]) as command:
        assert command.poll() is None
    assert command.returncode == -signal.SIGKILL


def test_gfm_is_a_command():
    assert processes.run([*GFM, "--version"]).stdout.startswith("gfm-matting ")
