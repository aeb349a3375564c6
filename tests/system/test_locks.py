"""One process at a time holds the lock of a folder, which vanishes with the process."""

import fcntl
import importlib.util
import os
import signal
import subprocess
import sys
import time
from types import ModuleType, SimpleNamespace

import pytest

from gfm.errors import GFMError, WriteError
from gfm.system import locks
from gfm.system.locks import LOCK, acquire_lock, folder_lock, release_lock
from tests.conftest import PROJECT

HOLD = """
import os, sys, time
from pathlib import Path
from gfm.system.locks import acquire_lock
acquire_lock(Path(sys.argv[1]))
if sys.argv[2:]:
    os.fork() or time.sleep(60)  # like a loader's worker, which outlives its parent for a while
print("mine", flush=True)
time.sleep(60)
"""


@pytest.fixture
def hold():
    """Starts a process that locks a folder, and waits for the lock."""
    started = []

    def start(folder, *more):
        command = [sys.executable, "-c", HOLD, str(folder), *more]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "mine\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_folder_in_use_is_refused(tmp_path, hold):
    other = hold(tmp_path)
    words = rf"another run is using {tmp_path} \(process {other.pid} on \S+\).*paths\.run="
    with pytest.raises(GFMError, match=words):
        acquire_lock(tmp_path)


def test_the_lock_file_of_a_killed_run_does_not_block(tmp_path, hold):
    other = hold(tmp_path)
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert (tmp_path / LOCK).is_file()
    with folder_lock(tmp_path):
        assert f"process {os.getpid()} " in (tmp_path / LOCK).read_text()
    assert not (tmp_path / LOCK).exists()


def test_child_processes_do_not_inherit_the_lock(tmp_path, hold):
    other = hold(tmp_path, "fork")
    other.send_signal(signal.SIGKILL)
    other.wait()
    acquire_lock(tmp_path)
    release_lock(tmp_path)


def test_a_process_may_acquire_twice(tmp_path, hold):
    with folder_lock(tmp_path), folder_lock(tmp_path):
        pass
    hold(tmp_path)  # the lock is free again
    release_lock(tmp_path)  # held by another process: nothing happens
    with pytest.raises(GFMError, match="another run"):
        acquire_lock(tmp_path)


def test_only_rank_zero_locks(tmp_path, hold, monkeypatch):
    hold(tmp_path)
    monkeypatch.setenv("LOCAL_RANK", "1")
    acquire_lock(tmp_path)


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(WriteError, match=r"cannot write to .*Permission denied"):
        acquire_lock(tmp_path)


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.lockf", refuse)
    with folder_lock(tmp_path):
        pass


@pytest.mark.parametrize("name", ["train.log", LOCK, ".hydra/config.yaml", "checkpoints"])
def test_a_folder_with_a_link_out_of_it_is_not_written_to(tmp_path, name):
    """A run would append its log to the linked file, which may be a shell script."""
    mine = tmp_path / "mine"
    mine.write_text("my text")
    link = tmp_path / "run" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(mine)
    with pytest.raises(GFMError, match=f"{name} is a link out of the run's folder: replace it"):
        acquire_lock(tmp_path / "run")
    assert mine.read_text() == "my text"


def test_links_inside_a_folder_are_fine(tmp_path):
    (tmp_path / "wandb/run").mkdir(parents=True)
    (tmp_path / "wandb/latest").symlink_to("run")
    (tmp_path / "newest").symlink_to(tmp_path / "wandb")
    with folder_lock(tmp_path):
        pass


def import_on_windows(monkeypatch) -> ModuleType:
    """Return a fresh import of the module, as in a separate process on Windows."""

    def locking(number, mode, count):
        assert (mode, count) == (2, 1)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PermissionError(13, "Permission denied") from error

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(LK_NBLCK=2, locking=locking))
    monkeypatch.delattr(os, "register_at_fork", raising=False)
    spec = importlib.util.spec_from_file_location("locks_on_windows", locks.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_windows_locks_by_msvcrt(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        one, other = import_on_windows(patch), import_on_windows(patch)
    one.acquire_lock(tmp_path)
    with pytest.raises(GFMError, match=f"another run is using .* \\(process {os.getpid()} on"):
        other.acquire_lock(tmp_path)
    one.release_lock(tmp_path)
    other.acquire_lock(tmp_path)
    other.release_lock(tmp_path)


CLAIM = """
import sys, time
from pathlib import Path
from gfm.errors import GFMError
from gfm.system.locks import acquire_lock
time.sleep(max(0, float(sys.argv[2]) - time.time()))
try:
    acquire_lock(Path(sys.argv[1]))
    print("mine", flush=True)
    time.sleep(1)
except GFMError as error:
    print(error)
"""


def test_only_one_of_two_simultaneous_runs_gets_a_folder(tmp_path):
    command = [sys.executable, "-c", CLAIM, str(tmp_path / "run"), str(time.time() + 2)]
    started = [
        subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) for _ in range(5)
    ]
    said = sorted(process.communicate(timeout=60)[0] for process in started)
    assert said.pop() == "mine\n"
    assert all("another run is using" in text for text in said)
