"""Detects submitit's handler of the signal sent before a preemption or the time limit.

``tests/compat/test_submitit.py`` fails if a release changes the handler.
"""

import signal


def requeue_signals() -> list[int]:
    """Return the signals on which submitit requeues this job and exits; empty outside its jobs."""
    numbers = [getattr(signal, name, None) for name in ("SIGUSR1", "SIGUSR2")]  # not on Windows
    return [number for number in numbers if number and _is_of_submitit(signal.getsignal(number))]


def _is_of_submitit(handler: object) -> bool:
    return str(getattr(handler, "__module__", "")).startswith("submitit.")
