"""Runs the project's commands in separate processes, forked by :mod:`tests.fork_server`.

Where the start of the interpreter is the point, use :mod:`subprocess`.
"""

import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from tests.conftest import PROJECT

GFM = ("-c", "from gfm.cli import main; main()")
"""Words of the command ``gfm``."""


class Command:
    """A command that runs in its own session; as a context manager, until the context ends.

    Args:
        words: What follows ``python`` on the command line: a script or ``-c`` and code, then its
            arguments.
        cwd: Its working folder.
        env: Its environment; by default that of the tests.
        output: File that it writes its standard output to; a new one by default.
        error: The same for its standard error.
        python: Interpreter that executes it.
    """

    def __init__(
        self,
        words: Sequence[object],
        cwd: Path = PROJECT,
        env: Mapping[str, str] | None = None,
        output: IO[bytes] | None = None,
        error: IO[bytes] | None = None,
        python: str = sys.executable,
    ) -> None:
        self.words = [str(word) for word in words]
        self.returncode: int | None = None
        self._output = output or tempfile.TemporaryFile()  # noqa: SIM115
        self._error = error or tempfile.TemporaryFile()  # noqa: SIM115
        status, end = os.pipe()
        request = {
            "words": self.words,
            "cwd": str(cwd),
            "env": {**(os.environ if env is None else env), "OMP_NUM_THREADS": "1"},
        }
        files = [self._output.fileno(), self._error.fileno(), end]
        socket.send_fds(_server(python), [json.dumps(request).encode()], files)
        os.close(end)
        self._status = os.fdopen(status)
        self.pid = int(self._status.readline())

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status, as :class:`subprocess.Popen` does.

        Raises:
            TimeoutExpired: It still runs after ``timeout`` seconds.
        """
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.words, timeout or 0)
            self.returncode = int(self._status.readline())
        return self.returncode

    def poll(self) -> int | None:
        """Return the exit status; ``None`` while it runs."""
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def kill(self) -> None:
        """Kill the command and all processes of its group."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        if self.returncode is None:  # it may not have a group yet
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    @property
    def stdout(self) -> str:
        """What it has written to standard output so far."""
        return _text(self._output)

    @property
    def stderr(self) -> str:
        """What it has written to standard error so far."""
        return _text(self._error)

    def __enter__(self) -> "Command":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.wait()


def run(
    words: Sequence[object],
    cwd: Path = PROJECT,
    env: Mapping[str, str] | None = None,
    timeout: float = 200,
    python: str = sys.executable,
) -> Command:
    """Run a command to its end; arguments as for :class:`Command`."""
    with Command(words, cwd, env, python=python) as command:
        command.wait(timeout)
    return command


def _text(file: IO[bytes]) -> str:
    return os.pread(file.fileno(), 1 << 26, 0).decode()


@functools.cache
def _server(python: str) -> socket.socket:
    """Start the server of an interpreter; it ends with this process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # Another interpreter imports the gfm that is installed for it, not that of the checkout.
    path = str(PROJECT) if python == sys.executable else ""
    subprocess.Popen(
        [python, str(Path(__file__).with_name("fork_server.py")), str(theirs.fileno())],
        cwd=PROJECT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        pass_fds=[theirs.fileno()],
    )
    theirs.close()
    return ours
