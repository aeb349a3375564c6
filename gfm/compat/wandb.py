"""Private parts of Weights & Biases: its record of a run on disk, in a folder for each start.

``tests/compat/test_wandb.py`` shows what breaks if a release changes one of them.
"""

import json
import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]

_BLOCK, _HEADER = 32768, 7
_TAIL = 64  # blocks at the end of a file that are searched for the last row: 2 MiB


def write_promptly(seconds: float = 1.0) -> None:
    """Make W&B write rows to its file every few seconds, unless the user has set an interval.

    By default, rows of 15 seconds are lost when a process is killed. Versions without this option
    write each row at once.
    """
    os.environ.setdefault("WANDB_X_TRANSACTION_LOG_FLUSH_INTERVAL", str(seconds))


def records(data: bytes, start: int = _HEADER) -> Iterator[Record]:
    """Yield the records of a ``.wandb`` file, up to where it was cut off.

    The file is a LevelDB log: a header of 7 bytes, then blocks of 32 KiB that hold pieces of
    records. Before each piece are a checksum (4 bytes), its length (2 bytes) and its kind (1 byte:
    1 whole, 2 first, 3 middle, 4 last).

    Args:
        data: Content of the file, or its end from the start of a block.
        start: Where to begin; 0 if ``data`` starts at a later block, whose first pieces of an
            earlier record are skipped.
    """
    position, parts, is_open = start, b"", False
    while position + _HEADER <= len(data):
        room = _BLOCK - position % _BLOCK
        if room < _HEADER:
            position += room
            continue
        length, kind = struct.unpack("<HB", data[position + 4 : position + _HEADER])
        position += _HEADER
        if position + length > len(data) or not 1 <= kind <= 4:
            return
        if kind in (1, 2):
            parts, is_open = b"", True
        parts += data[position : position + length]
        position += length
        if kind in (1, 4) and is_open:
            record = Record()
            record.ParseFromString(parts)
            is_open = False
            yield record


def row(record: Record) -> dict[str, Any]:
    """Return the logged values of a record by name; ``_step`` is the count of W&B itself."""
    return {
        "/".join(item.nested_key) or item.key: json.loads(item.value_json)
        for item in record.history.item
    }


def last_row(path: Path) -> dict[str, Any] | None:
    """Return the last row of a ``.wandb`` file, even if it was cut off; ``None`` without rows."""
    tail = max(0, path.stat().st_size // _BLOCK - _TAIL) * _BLOCK
    with path.open("rb") as file:
        for start in (tail, 0) if tail else (0,):
            file.seek(start)
            content = records(file.read(), 0 if start else _HEADER)
            rows = [row(record) for record in content if record.history.item]
            if rows:
                return rows[-1]
    return None


def last_row_before(run: Any) -> dict[str, Any] | None:
    """Return the last row of an offline run from before its present start.

    Each start of a run has a folder: ``<save_dir>/wandb/offline-run-<time>-<id>``.

    Returns:
        The row; empty if the earlier files hold none, ``None`` if there are no earlier files.
    """
    own = Path(run.dir).parent
    files = sorted(own.parent.glob(f"offline-run-*-{run.id}/*.wandb"), reverse=True)
    earlier = [path for path in files if path.parent != own]
    rows = filter(None, map(last_row, earlier))
    return next(rows, {} if earlier else None)


def count_on(run: Any, before: Mapping[str, Any]) -> None:
    """Let W&B number the next rows of a run from the one after an earlier row."""
    run.log({}, step=int(before["_step"]) + 1)
