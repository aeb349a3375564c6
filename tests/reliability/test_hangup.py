"""Closing the terminal (SIGHUP) ends a run as SIGTERM does, and leaves no process behind."""

import os
import signal
import time
from contextlib import suppress

import pytest
import pytorch_lightning as pl
import torch

from gfm.system.processes import handle_like_sigterm
from tests.conftest import SMALL_TRAINING
from tests.processes import Command


class HangUp(pl.Callback):
    """Sends SIGHUP to all processes of the run in the second step, as a closed terminal does."""

    def on_train_batch_start(self, trainer, *_):
        if trainer.global_step == 1:
            os.killpg(os.getpgrp(), signal.SIGHUP)


def is_there(group: int) -> bool:
    """Return whether a process of a group is still running."""
    with suppress(ProcessLookupError):
        os.killpg(group, 0)
        return True
    return False


def test_a_run_saves_and_leaves_nothing_behind(tiny, tmp_path):
    hang_up = "+callbacks.t={_target_: tests.reliability.test_hangup.HangUp}"
    options = [*tiny, *SMALL_TRAINING, "track=ori", "data.num_workers=2", hang_up]
    with Command(["train.py", *options]) as run:
        run.wait(300)
        deadline = time.monotonic() + 30
        while is_there(run.pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not is_there(run.pid), run.stderr
    assert run.returncode == os.EX_TEMPFAIL, run.stderr
    assert "Traceback" not in run.stdout + run.stderr
    assert run.stderr.strip().splitlines()[-1].startswith("terminated; progress saved")
    last = tmp_path / "run/checkpoints/last.ckpt"
    assert torch.load(last, weights_only=True)["global_step"] == 2


@pytest.mark.parametrize("before", [signal.SIG_IGN, signal.SIG_DFL])
def test_signals_ignored_by_nohup_stay_ignored(before):
    kept = signal.signal(signal.SIGHUP, before)
    try:
        handle_like_sigterm()
        assert (signal.getsignal(signal.SIGHUP) is before) == (before is signal.SIG_IGN)
    finally:
        signal.signal(signal.SIGHUP, kept)
