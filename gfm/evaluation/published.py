"""Published figures and their sources, for comparison with ours in tables."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from gfm.errors import GFMError


class Published(NamedTuple):
    """A published row of metrics and its source.

    ``where`` maps dotted option names to the values that make a run comparable with the row.
    """

    name: str
    where: dict[str, str]
    metrics: dict[str, float]
    source: str

    def describes(self, config: Mapping[str, Any]) -> bool:
        """Return whether a run with this configuration is comparable with the row."""
        return all(_option(config, key) == value for key, value in self.where.items())


@cache
def published_rows() -> dict[str, Published]:
    """Return the rows of ``published.json`` by name."""
    rows = json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))
    return {row["name"]: Published(**row) for row in rows}


def find_published(name: str) -> Published:
    """Return a published row by name.

    Raises:
        GFMError: No row has this name.
    """
    rows = published_rows()
    if name not in rows:
        raise GFMError(f"no published figures named {name}: choose from {'; '.join(rows)}")
    return rows[name]


def _option(config: Mapping[str, Any], key: str) -> Any:
    node: Any = config
    for part in key.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return node
