"""The options of a stage, and methods that record its findings."""

import gc
import math
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from gfm.models.precision import choose_precision
from tests.gpu.findings import FAIL, MEASURED, NO_TIME, PASS, SKIPPED, Finding, append


@dataclass
class Stage:
    """A stage that runs in this process.

    Attributes:
        name: Name of the stage.
        device: ``cuda``; or ``cpu``, which rehearses with small sizes.
        seconds: Seconds after which it should start no further checks.
        findings: File to which findings are appended.
        folder: Folder for its files.
        num_gpus: Number of GPUs to use.
        train_minutes: Minutes of training in the last stage; 0 for none.
        photos: Folder of real photos, with ``images`` and ``alphas``; ``None`` for none.
    """

    name: str
    device: str
    seconds: float
    findings: Path
    folder: Path
    num_gpus: int = 1
    train_minutes: float = 0
    photos: Path | None = None
    start: float = field(default_factory=time.monotonic)

    @property
    def is_rehearsal(self) -> bool:
        """Whether this is a rehearsal on a CPU, with small sizes."""
        return self.device == "cpu"

    @property
    def accelerator(self) -> str:
        """The value of ``trainer.accelerator``."""
        return "cpu" if self.is_rehearsal else "gpu"

    @property
    def half(self) -> Literal["bf16", "16"]:
        """Half precision that this GPU supports in hardware: before Ampere, only float16."""
        return "16" if choose_precision(self.device)[0] == "16-mixed" else "bf16"

    @property
    def seconds_left(self) -> float:
        """Seconds left, at least 0."""
        return max(0.0, self.start + self.seconds - time.monotonic())

    def _record(self, name: str, status: str, **rest: Any) -> None:
        if isinstance(rest.get("figure"), float) and not math.isfinite(rest["figure"]):
            rest["figure"] = str(rest["figure"])  # JSON has no NaN or infinity
        finding = Finding(self.name, name, status, **rest)
        append(self.findings, finding)
        print(
            status, name, finding.figure, finding.unit, finding.threshold, finding.note, flush=True
        )

    def at_most(
        self, name: str, figure: float, limit: float, unit: str = "", note: str = ""
    ) -> None:
        """Record a pass if the figure is at most the limit; NaN fails."""
        status = PASS if figure <= limit else FAIL
        self._record(name, status, figure=figure, threshold=f"<= {limit:g}", unit=unit, note=note)

    def at_least(
        self, name: str, figure: float, limit: float, unit: str = "", note: str = ""
    ) -> None:
        """Record a pass if the figure is at least the limit; NaN fails."""
        status = PASS if figure >= limit else FAIL
        self._record(name, status, figure=figure, threshold=f">= {limit:g}", unit=unit, note=note)

    def equal(self, name: str, figure: float | str, expected: float | str, note: str = "") -> None:
        """Record a pass if the figure is the expected one."""
        status = PASS if figure == expected else FAIL
        self._record(name, status, figure=figure, threshold=f"= {expected}", note=note)

    def measured(self, name: str, figure: float | str, unit: str = "", note: str = "") -> None:
        """Record a figure without a threshold; NaN and infinity fail."""
        is_good = isinstance(figure, str) or math.isfinite(figure)
        self._record(name, MEASURED if is_good else FAIL, figure=figure, unit=unit, note=note)

    def skip(self, name: str, reason: str) -> None:
        """Record that a check was skipped."""
        self._record(name, SKIPPED, note=reason)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Record an error in a part instead of raising it, and free its memory."""
        try:
            yield
        except Exception as error:
            traceback.print_exc()
            text = " ".join(f"{type(error).__name__}: {error}".split())
            self._record(name, FAIL, note=text[:400])
        release_memory()

    def has_time(self, name: str, seconds: float = 0) -> bool:
        """Return whether this many seconds are left; otherwise record the check as skipped."""
        if self.seconds_left > seconds:
            return True
        self.skip(name, NO_TIME)
        return False


def release_memory() -> None:
    """Free unreferenced memory, including the GPU's cached memory."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
