"""A terminal that is closed (SIGHUP) ends a run as SIGTERM does, and no process stays behind."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest
import pytorch_lightning as pl
import torch

from gfm.system.processes import handle_like_sigterm
from tests.conftest import PROJECT, SMALL_TRAINING


class HangUp(pl.Callback):
    """Sends SIGHUP to all processes of the run in the second step, as a closed terminal does."""

    def on_train_batch_start(self, trainer, *_):
        if trainer.global_step == 1:
            os.killpg(os.getpgrp(), signal.SIGHUP)


def is_there(group: int) -> bool:
    """Return whether a process group has a process left."""
    with suppress(ProcessLookupError):
        os.killpg(group, 0)
        return True
    return False


def test_a_run_saves_and_leaves_nothing_behind(tiny, tmp_path):
    hang_up = "+callbacks.t={_target_: tests.reliability.test_hangup.HangUp}"
    options = [*tiny, *SMALL_TRAINING, "track=ori", "data.num_workers=2", hang_up]
    run = subprocess.Popen(
        [sys.executable, "train.py", *options],
        cwd=PROJECT, env={**os.environ, "OMP_NUM_THREADS": "1"}, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        output = run.communicate(timeout=300)[0]
        deadline = time.monotonic() + 30
        while is_there(run.pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not is_there(run.pid), output
    finally:
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
    assert run.returncode == os.EX_TEMPFAIL, output
    assert "Traceback" not in output
    assert output.strip().splitlines()[-1].startswith("terminated; progress saved")
    last = tmp_path / "run/checkpoints/last.ckpt"
    assert torch.load(last, weights_only=True)["global_step"] == 2


@pytest.mark.parametrize("before", [signal.SIG_IGN, signal.SIG_DFL])
def test_what_nohup_made_deaf_stays_so(before):
    kept = signal.signal(signal.SIGHUP, before)
    try:
        handle_like_sigterm()
        assert (signal.getsignal(signal.SIGHUP) is before) == (before is signal.SIG_IGN)
    finally:
        signal.signal(signal.SIGHUP, kept)
