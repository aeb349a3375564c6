"""submitit's handler of signals: a test fails if a release changes it."""

import signal
import sys

import pytest

from gfm.compat.submitit import requeue_signals


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_only_signals_that_submitit_handles_are_found(monkeypatch):
    environment = pytest.importorskip("submitit.core.job_environment")
    before = {n: signal.getsignal(n) for n in signal.valid_signals()}
    try:
        signal.signal(signal.SIGUSR1, lambda *_: None)
        assert requeue_signals() == []
        job = environment.JobEnvironment.__new__(type("Job", (environment.JobEnvironment,), {}))
        job._handle_signals(None, None)
        assert requeue_signals() == [signal.SIGUSR2]
    finally:
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGCONT):
            signal.signal(number, before[number])
