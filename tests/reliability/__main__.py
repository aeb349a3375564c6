"""Prints how many rows of bad input each command has, by kind.

python -m tests.reliability
"""

import importlib
from collections import Counter

from tests.reliability.rows import Row

MODULES = (
    "configs",
    "datasets",
    "checkpoints",
    "predictions",
    "predict",
    "compare",
    "export",
    "prepare",
)


def rows() -> list[Row]:
    """Return all rows of bad input."""
    modules = [importlib.import_module(f"tests.reliability.test_bad_{name}") for name in MODULES]
    return [row for module in modules for row in module.ROWS]


def table() -> str:
    """Return the numbers of rows by command and kind, as a Markdown table."""
    counts = Counter((row.entry, row.kind) for row in rows())
    entries = sorted({entry for entry, _ in counts})
    kinds = sorted({kind for _, kind in counts})
    lines = [["command", *kinds, "all"], ["---"] * (len(kinds) + 2)]
    for entry in entries:
        own = [counts[entry, kind] for kind in kinds]
        lines.append([f"`{entry}`", *(str(n or "") for n in own), str(sum(own))])
    sums = [sum(counts[entry, kind] for entry in entries) for kind in kinds]
    lines.append(["all", *map(str, sums), str(sum(sums))])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    print(table())
