"""Wraps W&B's private APIs, and reads its private file format of offline runs.

``tests/compat/test_wandb.py`` fails if a release changes one of them.
"""

import json
import os
import struct
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import wandb
from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]

_BLOCK, _HEADER = 32768, 7
_TAIL = 64  # blocks at the end of a file searched for the last row: 2 MiB


def set_flush_interval(seconds: float = 1.0) -> None:
    """Set how often W&B writes rows to its file, unless the user has set an interval.

    By default, a killed process loses the rows of the last 15 seconds. Versions without this option
    write each row at once.
    """
    os.environ.setdefault("WANDB_X_TRANSACTION_LOG_FLUSH_INTERVAL", str(seconds))


def tolerate_lost_service(run: Any) -> None:
    """Keep training if the W&B process ends.

    A scheduler that signals all processes of a job ends the W&B process before the training has
    saved. What was logged until then is kept.

    Args:
        run: W&B run, already started.
    """
    client = getattr(getattr(run, "_interface", None), "_client", None)
    if client is None:  # a disabled run, or a different version of W&B
        return
    publish, close = client.publish, client.close
    is_lost = False

    async def publish_or_warn(request: Any) -> None:
        nonlocal is_lost
        if is_lost:
            return
        try:
            await publish(request)
        except ConnectionError:
            is_lost = True
            warnings.warn("the W&B process has ended: nothing more is logged to it", stacklevel=2)

    async def close_quietly() -> None:
        with suppress(ConnectionError):
            await close()

    client.publish, client.close = publish_or_warn, close_quietly


def finish(exit_code: int) -> None:
    """Finish the current W&B run, unless the W&B process has ended."""
    try:
        wandb.finish(exit_code)
    except Exception as error:
        if not isinstance(error, ConnectionError) and type(error).__name__ != "MailboxClosedError":
            raise


def records(data: bytes, start: int = _HEADER) -> Iterator[Record]:
    """Yield the records of a ``.wandb`` file, which may be cut off.

    The file is a LevelDB log: a header of 7 bytes, then blocks of 32 KiB that hold fragments of
    records. Each fragment is preceded by a checksum (4 bytes), its length (2 bytes) and its kind
    (1 byte: 1 full, 2 first, 3 middle, 4 last).

    Args:
        data: Content of the file, or its end from the start of a block.
        start: Offset to begin at; 0 if ``data`` starts at a later block. The rest of a record that
            began in an earlier block is then skipped.
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
    """Return the logged values of a record by name; ``_step`` is W&B's own counter."""
    return {
        "/".join(item.nested_key) or item.key: json.loads(item.value_json)
        for item in record.history.item
    }


def last_row(path: Path) -> dict[str, Any] | None:
    """Return the last row of a ``.wandb`` file, which may be cut off; ``None`` if it has none."""
    tail = max(0, path.stat().st_size // _BLOCK - _TAIL) * _BLOCK
    with path.open("rb") as file:
        for start in (tail, 0) if tail else (0,):
            file.seek(start)
            content = records(file.read(), 0 if start else _HEADER)
            rows = [row(record) for record in content if record.history.item]
            if rows:
                return rows[-1]
    return None


def last_row_of_earlier_starts(run: Any) -> dict[str, Any] | None:
    """Return the last row that earlier starts of an offline run logged.

    The row is empty if they logged none, and ``None`` if there were no earlier starts. Each start
    writes to a new folder: ``<save_dir>/wandb/offline-run-<time>-<id>``.
    """
    own = Path(run.dir).parent
    files = sorted(own.parent.glob(f"offline-run-*-{run.id}/*.wandb"), reverse=True)
    earlier = [path for path in files if path.parent != own]
    rows = filter(None, map(last_row, earlier))
    return next(rows, {} if earlier else None)


def continue_step_count(run: Any, before: Mapping[str, Any]) -> None:
    """Make W&B number the next rows of a run after those of earlier starts."""
    run.log({}, step=int(before["_step"]) + 1)
