"""Conclusions from the rates: the bottleneck, and the best workers, precision and compiling."""

import math
from collections.abc import Sequence

from tests.gpu.findings import FAIL, Finding

COMPILED = ", compiled"
"""End of the names of variants with ``compile=true``."""
_WORTH = 1.1
"""Speed-up from which compiling is worth the minutes that it takes at the start."""


def verdict(found: Sequence[Finding]) -> list[str]:
    """Return a line for each conclusion, or one saying that its stage gave no rates."""
    failed = [f"{f.stage}: {f.name}" for f in found if f.status == FAIL]
    steps = {
        name.removeprefix("r34, batch 32: "): rate
        for name, rate in _rates(found, "throughput").items()
        if name.startswith("r34, batch 32: ") and "official" not in name
    }
    lines = [f"Failed: {'; '.join(failed)}." if failed else "Nothing failed."]
    if not steps:
        return [*lines, "No step of r34 at batch 32 was measured, so there is no recommendation."]
    eager = {name: rate for name, rate in steps.items() if not name.endswith(COMPILED)}
    best = max(eager or steps, key=steps.__getitem__)
    lines.append(f"Precision: {best}, at {steps[best]:.0f} samples/s of r34.")
    rate = steps[best]
    gains = [
        compiled / steps[name.removesuffix(COMPILED)]
        for name, compiled in steps.items()
        if name.endswith(COMPILED) and name.removesuffix(COMPILED) in steps
    ]
    if gains:
        gain = max(gains)
        rate = rate * gain if gain >= _WORTH else rate
        advice = "compile=true" if gain >= _WORTH else "compile=false"
        lines.append(f"Compile: {advice}, as compiling makes steps {gain:.2f} times as fast.")
    else:
        lines.append("Compile: not measured.")
    return [*lines, *_loader_lines(_rates(found, "loader"), rate)]


def _rates(found: Sequence[Finding], stage: str) -> dict[str, float]:
    """Return the samples per second that a stage found, by name."""
    return {
        f.name: float(f.figure)
        for f in found
        if f.stage == stage and f.unit == "samples/s" and isinstance(f.figure, int | float)
    }


def _loader_lines(loader: dict[str, float], rate: float) -> list[str]:
    """Return lines on what limits a run with packed data, and how many workers it needs."""
    lines = []
    for kind in ("raw", "packed", "composed on the device"):
        own = {
            int(name.split(", ")[1].split()[0]): value
            for name, value in loader.items()
            if name.startswith(f"{kind}, ") and name.endswith(("worker", "workers"))
        }
        if not own:
            continue
        enough = [number for number, value in own.items() if value >= rate]
        if enough:
            lines.append(f"{kind}: the GPU is the limit; data.num_workers={min(enough)}.")
            continue
        most = max(own, key=own.__getitem__)
        needed = math.ceil(rate * max(most, 1) / own[most])  # without workers, the run itself loads
        lines.append(
            f"{kind}: the loader is the limit, with {own[most]:.0f} of {rate:.0f} samples/s; "
            f"data.num_workers={most}, and {needed} cores would be enough."
        )
    return lines or ["Loader: not measured."]
