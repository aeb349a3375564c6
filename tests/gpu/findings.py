"""Findings of a stage; each is a line of the report."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

PASS, FAIL, SKIPPED, MEASURED = "PASS", "FAIL", "SKIPPED", "MEASURED"
NO_TIME = "no time left: increase --minutes, or run this stage alone"


@dataclass(frozen=True)
class Finding:
    """A result.

    Attributes:
        stage: Name of the stage.
        name: What was checked or measured, unique in its stage.
        status: ``PASS``, ``FAIL``, ``SKIPPED``; or ``MEASURED``, which has no threshold.
        figure: Number or text that was found; ``None`` if there is none.
        threshold: Condition of a pass, such as ``<= 0.0001``.
        unit: Unit of the figure.
        note: Reason or error.
    """

    stage: str
    name: str
    status: str
    figure: float | str | None = None
    threshold: str = ""
    unit: str = ""
    note: str = ""


def append(file: Path, finding: Finding) -> None:
    """Append a finding to a file, where it survives a later crash of the stage."""
    with file.open("a") as stream:
        stream.write(json.dumps(asdict(finding)) + "\n")


def read(file: Path) -> list[Finding]:
    """Return the findings of a file, without a truncated last line."""
    lines = file.read_text().splitlines(keepends=True) if file.exists() else []
    return [Finding(**json.loads(line)) for line in lines if line.endswith("\n")]
