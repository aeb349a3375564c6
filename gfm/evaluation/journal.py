"""Keeps on disk what an evaluation has scored so far: one line per photo, one file per process."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

import torch.distributed as dist

from gfm.errors import GFMError
from gfm.system.files import write_text

Rows = dict[str, dict[str, float]]
"""The metrics of each photo, by its name."""


def _read(path: Path) -> dict[str, str]:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        settings = None
    if not isinstance(settings, dict):
        raise GFMError(f"{path} is damaged: set paths.run to a new folder")
    return settings


class Journal:
    """Rows that survive an interruption, and the settings they were made with.

    Each process appends to a file of its own, so that none waits for another; reading merges the
    files. If a line was cut off, its photo counts as not scored.

    Args:
        folder: Folder for ``settings.json`` and ``rows.<rank>.jsonl``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: TextIO | None = None

    def begin(self, settings: Mapping[str, str]) -> Rows:
        """Start an evaluation, or go on with one that was begun with the same settings.

        Returns:
            The rows that exist already.

        Raises:
            GFMError: The folder holds rows made with other settings, or a damaged file.
        """
        path = self.folder / "settings.json"
        if path.is_file():
            self._compare(_read(path), settings)
            return self.rows()
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(settings, indent=2) + "\n")
        return {}

    def _compare(self, before: Mapping[str, str], now: Mapping[str, str]) -> None:
        keys = dict.fromkeys([*before, *now])
        other = [key for key in keys if before.get(key) != now.get(key)]
        if other:
            changes = (f"{k} ({before.get(k, 'none')}, now {now.get(k, 'none')})" for k in other)
            raise GFMError(
                f"{self.folder.parent} holds an evaluation with another {' and '.join(changes)}: "
                "set paths.run to a new folder"
            )

    def add(self, name: str, row: Mapping[str, float]) -> None:
        """Write the metrics of a photo at once."""
        if self._file is None:
            self._file = self._open()
        self._file.write(json.dumps({"name": name, **row}) + "\n")
        self._file.flush()

    def _open(self) -> TextIO:
        rank = dist.get_rank() if dist.is_available() and dist.is_initialized() else 0
        path = self.folder / f"rows.{rank}.jsonl"
        is_cut = path.is_file() and not path.read_bytes().endswith(b"\n")
        file = path.open("a", encoding="utf-8")
        if is_cut:
            file.write("\n")  # so that the next row starts on a new line
        return file

    def rows(self) -> Rows:
        """Return the rows of all processes, sorted by name."""
        rows: Rows = {}
        for path in sorted(self.folder.glob("rows.*.jsonl")):
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    row = json.loads(line)
                    rows[row.pop("name")] = row
                except (ValueError, KeyError, AttributeError):
                    continue  # cut off by an interruption
        return {name: rows[name] for name in sorted(rows)}
