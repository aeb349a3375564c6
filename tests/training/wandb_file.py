"""Reads what W&B keeps of an offline run, from its ``.wandb`` file.

The file is a LevelDB log: a header of 7 bytes, then blocks of 32 KiB that hold pieces of records,
each behind a checksum (4 bytes), its length (2) and its kind (1 whole, 2 first, 3 middle, 4 last).
"""

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record

_BLOCK, _HEADER = 32768, 7


def _records(data: bytes) -> Iterator[Record]:
    position, parts = _HEADER, b""
    while position + _HEADER <= len(data):
        room = _BLOCK - position % _BLOCK
        if room < _HEADER:
            position += room
            continue
        length, kind = struct.unpack("<HB", data[position + 4 : position + _HEADER])
        position += _HEADER
        if position + length > len(data):  # being written
            return
        parts += data[position : position + length]
        position += length
        if kind in (1, 4):
            record = Record()
            record.ParseFromString(parts)
            parts = b""
            yield record


def _read(folder: Path, patience: float = 20.0) -> list[Record]:
    (path,) = folder.rglob("*.wandb")
    end = time.monotonic() + patience
    while True:  # W&B's process may write on for a moment after the run was finished
        records = list(_records(path.read_bytes()))
        if any(record.HasField("exit") for record in records):
            return records
        assert time.monotonic() < end, f"{path} has no end"
        time.sleep(0.05)


def logged(folder: Path) -> dict[str, Any]:
    """The last value of everything that the only run below ``folder`` logged."""
    values: dict[str, Any] = {}
    for record in _read(folder):
        for item in record.history.item:
            values["/".join(item.nested_key) or item.key] = json.loads(item.value_json)
    return values


def described(folder: Path) -> tuple[str, list[str], dict[str, Any]]:
    """Name, tags and configuration of that run; of the latter the levels are joined by ``/``."""
    name, tags, config = "", [], {}
    for record in _read(folder):
        name = record.run.display_name or name
        tags = list(record.run.tags) or tags
        for update in (*record.config.update, *record.run.config.update):
            config["/".join(update.nested_key) or update.key] = json.loads(update.value_json)
    return name, tags, config
