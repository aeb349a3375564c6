"""Imports the training stack once, and forks a process from it for each command.

:mod:`tests.processes` starts it and sends it the commands. A forked process has its own session,
folder, environment and signals, and ends as an interpreter does; it only skips the seconds that the
imports take.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from gfm.run import summary
from gfm.training.callbacks import network_size

MODULES = (
    "albumentations",
    "gfm.animals",
    "gfm.checkpoints",
    "gfm.checkpoints.checkpoint_io",
    "gfm.cli",
    "gfm.config",
    "gfm.evaluation",
    "gfm.models.networks",
    "gfm.models.timm_encoder",
    "gfm.run.build",
    "gfm.run.configuration",
    "gfm.run.sweep_table",
    "gfm.run.train",
    "gfm.training.final_test",
    "gfm.training.loggers.finishing",
    "matplotlib.pyplot",
    "pytorch_lightning",
    "rich.progress",
    "scipy.ndimage",
    "timm",
    "torch._dynamo",
    "torchvision",
    "wandb",
)
"""Modules that commands import while they run; a missing one would only cost time."""


def serve(requests: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Fork a process for each request; return the request only in such a process.

    A process in between waits for it, and writes its number and its exit status.
    """
    while True:
        message, descriptors, *_ = socket.recv_fds(requests, 1 << 20, 3)
        if not message:  # the tests ended
            atexit.unregister(end)
            sys.exit()
        if not os.fork():
            break
        for descriptor in descriptors:
            os.close(descriptor)
    requests.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *output, status = descriptors
    number = os.fork()
    if number:
        os.write(status, f"{number}\n".encode())
        code = os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])
        os.write(status, f"{code}\n".encode())
        os._exit(0)
    os.close(status)
    return json.loads(message), output


def reap(*_: object) -> None:
    """Wait for the processes that ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def adapt(request: dict[str, Any], output: list[int]) -> None:
    """Make this process what an interpreter is when it starts with a command."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for source, target in zip([os.open(os.devnull, os.O_RDONLY), *output], range(3), strict=True):
        os.dup2(source, target)
        os.close(source)
    os.chdir(request["cwd"])
    ours = [sys.path[0], *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    os.environ.clear()
    os.environ.update(request["env"])
    sys.stdout.reconfigure(line_buffering="PYTHONUNBUFFERED" in os.environ)
    tempfile.tempdir = None
    own = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [*filter(None, own), *(path for path in sys.path if path not in ours)]


def run(words: list[str]) -> int:
    """Run what follows ``python`` on a command line, and return the exit status."""
    try:
        execute(words)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def execute(words: list[str]) -> None:
    """Execute a script, or the code after ``-c``."""
    sys.argv[:] = words
    if words[0] == "-c":
        sys.argv[:] = ["-c", *words[2:]]
        sys.path.insert(0, "")
        exec(words[1], {"__name__": "__main__"})
    else:
        sys.path.insert(0, str(Path(words[0]).resolve().parent))
        runpy.run_path(words[0], run_name="__main__")


def end() -> None:
    """End the process without freeing each object, which would take a second.

    What the server registered is left to the server, such as removing W&B's temporary folder.
    """
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


status = 0  # of this process


def main() -> None:
    """Serve the socket that the command line names by its number."""
    global status
    requests = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, reap)
    for name in MODULES:
        with suppress(ImportError):  # of an extra that is not installed
            importlib.import_module(name)
    atexit.register(end)  # runs after what a command registers, and before the rest
    summary.draw_curves = lambda *_: False  # takes as long as a small training, and so does this:
    network_size.multiply_adds = lambda *_: None
    threads = os.listdir("/proc/self/task")
    assert len(threads) == 1, "a process with threads cannot be forked"
    gc.collect()
    gc.freeze()  # so that the processes share its memory
    request, output = serve(requests)
    adapt(request, output)
    status = run(request["words"])


if __name__ == "__main__":
    main()
