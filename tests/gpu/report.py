"""Writes gpu_report.md and gpu_report.json."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

from tests.gpu.findings import FAIL, MEASURED, PASS, SKIPPED, Finding
from tests.gpu.verdict import verdict

_ORDER = [FAIL, PASS, MEASURED, SKIPPED]


def write_report(found: Sequence[Finding], out: Path, command: str) -> Path:
    """Write both files into ``out``, and return the path of the Markdown.

    Args:
        found: Findings, stage by stage.
        out: Folder of the report.
        command: Command that ran the stages; with ``--only``, it repeats one of them.
    """
    lines = verdict(found)
    content = {
        "command": command,
        "verdict": lines,
        "findings": [{**asdict(f), "command": repeat(command, f.stage)} for f in found],
    }
    (out / "gpu_report.json").write_text(json.dumps(content, indent=1) + "\n")
    path = out / "gpu_report.md"
    path.write_text(render(found, lines, command))
    return path


def repeat(command: str, stage: str) -> str:
    """Return the command that runs only one stage."""
    return f"{command} --only {stage}"


def render(found: Sequence[Finding], verdict_lines: Sequence[str], command: str) -> str:
    """Return the report as Markdown."""
    counts = {status: sum(f.status == status for f in found) for status in _ORDER}
    summary = ", ".join(f"{count} {status}" for status, count in counts.items())
    lines = ["# GPU report", "", f"`{command}`: {summary}.", ""]
    for stage, own in groupby(found, key=lambda finding: finding.stage):
        lines += [f"## {stage}", "", f"`{repeat(command, stage)}`", ""]
        lines += ["| | | figure | threshold | |", "| --- | --- | ---: | --- | --- |"]
        lines += [_row(finding) for finding in own] + [""]
    return "\n".join([*lines, "## Verdict", "", *(f"- {line}" for line in verdict_lines), ""])


def _row(finding: Finding) -> str:
    cells = [finding.status, finding.name, _figure(finding), finding.threshold, finding.note]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _figure(finding: Finding) -> str:
    figure = finding.figure
    text = "" if figure is None else figure if isinstance(figure, str) else f"{figure:.4g}"
    return f"{text} {finding.unit}".strip()
