"""A folder belongs to one process at a time, and to nobody when that is gone."""

import os
import signal
import subprocess
import sys
import time

import pytest

from gfm.errors import GFMError, WriteError
from gfm.system.locks import LOCK, claim, locked, release

HOLD = """
import os, sys, time
from pathlib import Path
from gfm.system.locks import claim
claim(Path(sys.argv[1]))
if sys.argv[2:]:
    os.fork() or time.sleep(60)  # as a loader's worker, which outlives its parent for a while
print("mine", flush=True)
time.sleep(60)
"""


@pytest.fixture
def hold():
    """Starts a process that claims a folder, and waits until it has."""
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
        claim(tmp_path)


def test_what_a_killed_run_leaves_does_not_matter(tmp_path, hold):
    other = hold(tmp_path)
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert (tmp_path / LOCK).is_file()
    with locked(tmp_path):
        assert f"process {os.getpid()} " in (tmp_path / LOCK).read_text()
    assert not (tmp_path / LOCK).exists()


def test_children_of_a_killed_run_do_not_keep_its_folder(tmp_path, hold):
    other = hold(tmp_path, "fork")
    other.send_signal(signal.SIGKILL)
    other.wait()
    claim(tmp_path)
    release(tmp_path)


def test_one_process_may_claim_twice(tmp_path, hold):
    with locked(tmp_path):
        with locked(tmp_path):
            pass
        time.sleep(0)
    hold(tmp_path)  # it is free again
    release(tmp_path)  # of another: nothing happens
    with pytest.raises(GFMError, match="another run"):
        claim(tmp_path)


def test_only_the_first_process_claims(tmp_path, hold, monkeypatch):
    hold(tmp_path)
    monkeypatch.setenv("LOCAL_RANK", "1")
    claim(tmp_path)


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(WriteError, match=r"cannot write to .*Permission denied"):
        claim(tmp_path)


def test_a_disk_without_locks_is_used_without(tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.lockf", refuse)
    with locked(tmp_path):
        pass
