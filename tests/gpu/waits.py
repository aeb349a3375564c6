"""Stage 3: between steps that log, training never waits for the GPU."""

import warnings
from typing import Any

import pytorch_lightning as pl
import torch

from tests.benchmarks.ready import ReadyBatches, find, watched
from tests.gpu import runs
from tests.gpu.clock import ReadCounter
from tests.gpu.stage import Stage

STEPS = 30
_KEPT = ("last", "end", "estimate", "lines", "skipped")
"""Callbacks that take part in each step; those that are left out only act on validations."""
_WARMUP = 3  # steps in which libraries query the device for the first time
_MESSAGE = "called a synchronizing CUDA operation"
VARIANTS = {
    "plain": [],
    "EMA": ["+callbacks.ema={_target_: gfm.training.callbacks.EMA, decay: 0.999}"],
    "ddp, one rank": ["trainer.strategy=ddp", "trainer.devices=1"],
}


class WaitCounter(pl.Callback):
    """Counts the waits in each step, from its start to that of the next.

    On a GPU, torch reports them; on a CPU, operations that read a value are counted. ``counts`` has
    a number for every step but the last, ``is_logging`` says whether that step logged, and
    ``places`` lists the lines of code that waited in steps that did not log.
    """

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.is_logging: list[bool] = []
        self.places: set[str] = set()
        self.seen = 0
        self.caught: Any = None
        self.messages: list[Any] = []
        self.reads: ReadCounter | None = None

    def on_train_start(self, *_: Any) -> None:
        """Start counting."""
        if torch.cuda.is_available():
            self.caught = warnings.catch_warnings(record=True)
            self.messages = self.caught.__enter__()
            torch.cuda.set_sync_debug_mode("warn")
        else:
            self.reads = ReadCounter()
            self.reads.__enter__()

    def _found(self) -> list[Any]:
        return [m for m in self.messages if _MESSAGE in str(m.message)]

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """Store the number of waits in the previous step."""
        if torch.cuda.is_available():
            warnings.simplefilter("always")  # at every step, because others add filters
        found = self._found()
        total = self.reads.count if self.reads else len(found)
        if self.is_logging:
            self.counts.append(total - self.seen)
            if not self.is_logging[-1] and len(self.counts) > _WARMUP:
                self.places |= {f"{m.filename}:{m.lineno}" for m in found[self.seen :]}
        self.seen = total
        self.is_logging.append((trainer.global_step + 1) % trainer.log_every_n_steps == 0)

    def on_train_end(self, *_: Any) -> None:
        """Stop counting."""
        self._stop()

    def on_exception(self, *_: Any) -> None:
        """Stop counting."""
        self._stop()

    def _stop(self) -> None:
        if self.reads is not None:
            self.reads.__exit__(None, None, None)
            self.reads = None
        elif self.caught is not None:
            torch.cuda.set_sync_debug_mode("default")
            self.caught.__exit__(None, None, None)
            self.caught = None

    @property
    def silent(self) -> list[int]:
        """The counts of steps that do not log."""
        pairs = zip(self.counts, self.is_logging, strict=False)
        return [count for count, logs in list(pairs)[_WARMUP:] if not logs]


def run(stage: Stage) -> None:
    """Train thirty steps plainly, with EMA, and with DDP on one rank."""
    steps = 14 if stage.is_rehearsal else STEPS
    # float16 reads in each step whether gradients have overflowed.
    precision = "32-true" if stage.is_rehearsal or stage.half == "16" else "bf16-mixed"
    for name, own in VARIANTS.items():
        if not stage.has_time(name):
            continue
        with stage.part(name):
            others = ("trainer.log_every_n_steps", *(f"~callbacks.{kept}" for kept in _KEPT))
            shared = [o for o in runs.options(stage, "r34", 8) if not o.startswith(others)]
            more = [f"trainer.max_steps={steps}", f"trainer.precision={precision}"]
            more += ["trainer.log_every_n_steps=10", watched(WaitCounter)]
            objects = runs.run([*shared, *more, *own], ReadyBatches)
            counter: WaitCounter = find(objects, WaitCounter)
            text = f"{name}: waits in {len(counter.silent)} steps that do not log"
            places = ", ".join(sorted(counter.places)[:4])
            stage.at_most(
                text, sum(counter.silent) if counter.silent else float("nan"), 0, note=places
            )
            logs = [
                c for c, is_log in zip(counter.counts, counter.is_logging, strict=False) if is_log
            ]
            text, most = f"{name}: waits in a step that logs", max(logs, default=0)
            if stage.is_rehearsal:
                stage.measured(text, most)
            else:
                stage.at_least(text, most, 1, note="otherwise waits go undetected")
