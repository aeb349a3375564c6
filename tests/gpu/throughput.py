"""Stage 4: samples per second of a training step, and of a step in the official order."""

import contextlib
import math
from collections.abc import Iterator

import torch

from tests.benchmarks.bench_training import measure_official
from tests.gpu import runs
from tests.gpu.stage import Stage
from tests.gpu.verdict import COMPILED

PLACES = [("r34", 32), ("r34_2b", 32), ("r34", 4), ("r34_2b", 4)]


def variants(half: str) -> dict[str, list[str]]:
    """Return overrides by name, the most important first.

    In half precision, runs choose channels last themselves, and cuDNN searches for its fastest
    algorithms unless ``trainer.benchmark=false``.
    """
    name = f"{half}-mixed"
    chosen = [f"trainer.precision={name}"]
    return {
        name: chosen,
        "float32": ["trainer.precision=32-true"],
        "float32, channels last": ["trainer.precision=32-true", "backbone.channels_last=true"],
        f"{name}{COMPILED}": [*chosen, "compile=true"],
        f"{name}, no search": [*chosen, "trainer.benchmark=false"],
        "16-mixed": ["trainer.precision=16-mixed"],
    }


def run(stage: Stage) -> None:
    """Measure all variants while time is left."""
    for network, batch in PLACES[:1] if stage.is_rehearsal else PLACES:
        place = f"{network}, batch {batch}"
        if not stage.has_time(place, 10):
            continue
        official = float("nan")
        text = f"{place}: official order"
        with stage.part(text), _fitting(stage, text):
            official = _official_rate(stage, network, batch)
            stage.measured(text, official, "samples/s")
        best = 0.0
        for name, own in variants(stage.half).items():
            text = f"{place}: {name}"
            if stage.is_rehearsal and name == "16-mixed":
                stage.skip(text, "float16 autocast needs a GPU")
            elif stage.has_time(text, 60 if "compile=true" in own else 10):
                with stage.part(text), runs.compiling(stage), _fitting(stage, text):
                    best = max(best, _measure(stage, network, batch, text, own))
        if stage.is_rehearsal:
            stage.skip(f"{place}: best over official", "the networks differ in a rehearsal")
        elif best and math.isfinite(official):
            stage.at_least(f"{place}: best over official", best / official, 1.0, "times")


@contextlib.contextmanager
def _fitting(stage: Stage, text: str) -> Iterator[None]:
    """Record a measurement that runs out of memory as skipped, not failed."""
    try:
        yield
    except torch.OutOfMemoryError:
        stage.skip(text, "not enough memory on this card")


def _official_rate(stage: Stage, network: str, batch: int) -> float:
    """Return the samples per second of a step in the official order."""
    if stage.is_rehearsal:
        narrow = {"decoder_channels": [16] * 5}
        return 2 / measure_official(network, 2, 64, updates=1, budget=1, **narrow)["seconds"]
    return batch / measure_official(network, batch, 320, updates=40, budget=8)["seconds"]


def _measure(stage: Stage, network: str, batch: int, text: str, own: list[str]) -> float:
    """Record a variant, and return its samples per second."""
    seconds = 1 if stage.is_rehearsal else 8
    chosen = [*runs.options(stage, network, batch), *own]
    clock = runs.measure(stage, chosen, seconds, steps=60)
    number = min(batch, 4) if stage.is_rehearsal else batch
    rate = number / clock.seconds
    stage.measured(text, rate, "samples/s")
    if clock.launches:
        stage.measured(f"{text}: launches per step", clock.launches)
    else:
        stage.skip(f"{text}: launches per step", "the profiler saw no kernel: is CUPTI in use?")
    if clock.busy is not None:
        stage.measured(f"{text}: busy share", 100 * clock.busy, "%")
    stage.measured(f"{text}: peak memory", clock.peak, "MiB")
    return rate
