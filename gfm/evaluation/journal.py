"""Journal from which an evaluation resumes: a line per photo, a file per process."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from gfm.errors import GFMError
from gfm.system.cores import num_cores
from gfm.system.files import check_file, fingerprint_of_content, write_text
from gfm.system.ranks import is_global_zero, rank_and_world
from gfm.system.threads import map_threads

Rows = dict[str, dict[str, float]]
"""Metrics by photo."""


def fingerprint(paths: Iterable[Path | None]) -> str:
    """Return a short hash of the names and contents of files; ``None`` stands for a missing file.

    Modification times do not count, because copying the data may change them. The content of a
    file that cannot be read is treated as missing; scoring it reports the error.
    """
    paths = list(paths)
    contents = map_threads(_content, paths, min(8, num_cores()))
    parts = [(path and path.name, content) for path, content in zip(paths, contents, strict=True)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def _content(path: Path | None) -> str | None:
    if path is not None:
        with suppress(OSError, GFMError):
            check_file(path)  # a pipe would block
            return fingerprint_of_content(path)
    return None


def read_settings(journal: Path) -> dict[str, str] | None:
    """Return the settings of an evaluation from the folder of its journal, or ``None``.

    Raises:
        GFMError: The settings file is damaged.
    """
    path = journal / "settings.json"
    if not path.is_file():
        return None
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        settings = None
    if not isinstance(settings, dict):
        raise GFMError(f"{path} is damaged: set paths.run to a new folder")
    return settings


class Journal:
    """Scores that survive an interruption, and the settings under which they were computed.

    Each process appends to a separate file, so that processes do not wait for each other; reading
    merges the files. A photo whose line is truncated counts as not scored.

    Args:
        folder: Folder for ``settings.json`` and ``rows.<rank>.jsonl``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: TextIO | None = None

    def begin(self, settings: Mapping[str, str]) -> Rows:
        """Start an evaluation, or resume one with the same settings.

        Returns:
            The rows that exist already.

        Raises:
            GFMError: The folder holds an evaluation with different settings, or a damaged file.
        """
        before = read_settings(self.folder)
        if before is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            if is_global_zero():
                text = json.dumps(settings, indent=2)
                write_text(self.folder / "settings.json", text + "\n")
            return {}
        pairs = {
            k: (before.get(k, "none"), settings.get(k, "none")) for k in {**before, **settings}
        }
        changes = [f"{k} ({old}, now {new})" for k, (old, new) in pairs.items() if old != new]
        if changes:
            raise GFMError(
                f"{self.folder.parent} holds an evaluation with different settings: "
                f"{' and '.join(changes)}; set paths.run to a new folder"
            )
        return self.rows()

    def add(self, name: str, row: Mapping[str, float]) -> None:
        """Write the metrics of a photo immediately."""
        if self._file is None:
            self._file = self._open()
        self._file.write(json.dumps({"name": name, **row}) + "\n")
        self._file.flush()

    def _open(self) -> TextIO:
        path = self.folder / f"rows.{rank_and_world()[0]}.jsonl"
        is_cut = path.is_file() and not path.read_bytes().endswith(b"\n")
        file = path.open("a", encoding="utf-8")
        if is_cut:
            file.write("\n")  # so that the next row starts on a new line
        return file

    def close(self) -> None:
        """Flush the rows of this process to disk, so that the other processes can read them."""
        if self._file is not None:
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None

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
