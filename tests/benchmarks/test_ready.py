"""How benchmarks measure time and memory of a GPU, simulated by a clock."""

from types import SimpleNamespace
from unittest import mock

import pytest

from tests.benchmarks import ready
from tests.benchmarks.measure import peak_mebibytes, reset_peak
from tests.benchmarks.ready import Stopwatch


@pytest.mark.parametrize(("device", "times"), [("cpu", [1.5] * 6), ("cuda", [1.5])])
def test_steps_of_a_gpu_are_timed_together(monkeypatch, device, times):
    """The GPU would idle if each step waited for it."""
    steps, waited = [0], []

    def clock(waits=True):
        waited.extend([steps[0]] * waits)
        return 3.0 * steps[0]  # of two batches

    monkeypatch.setattr(ready, "DEVICE", device)
    monkeypatch.setattr(ready, "profile", mock.MagicMock())
    monkeypatch.setattr(ready, "clock", clock)
    trainer = SimpleNamespace(accumulate_grad_batches=2, callback_metrics={}, should_stop=False)
    watch = Stopwatch(updates=6, seconds=100)
    for batch in range(16 if device == "cpu" else 14):  # a CPU profiles one more step
        assert not trainer.should_stop
        steps[0] = (batch + 1) // 2
        watch.on_train_batch_end(trainer, None, None, None, batch)
    assert trainer.should_stop
    assert watch.seconds == times
    assert set(waited) == ({1, 7} if device == "cuda" else set(range(1, 8)))


def test_the_memory_of_the_process_is_measured_beside_a_gpu():
    reset_peak("cpu")
    assert peak_mebibytes("cpu") > 10
