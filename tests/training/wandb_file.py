"""Reads W&B's records of an offline run from its ``.wandb`` file."""

import json
import time
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record

from gfm.compat.wandb import records, row


def files(folder: Path) -> list[Path]:
    """Return the files below the folder of a run, the oldest first, without links."""
    return sorted(folder.glob("wandb/*run-*/*.wandb"))


def read(path: Path, patience: float = 20.0, was_killed: bool = False) -> list[Record]:
    """Return the records of a file, after waiting for its end if one will be written."""
    end = time.monotonic() + patience
    while True:  # W&B's process may write on for a moment after the run was finished
        found = list(records(path.read_bytes()))
        if was_killed or any(record.HasField("exit") for record in found):
            return found
        assert time.monotonic() < end, f"{path} has no end"
        time.sleep(0.05)


def _only(folder: Path) -> list[Record]:
    (path,) = files(folder)
    return read(path)


def rows(found: list[Record]) -> list[dict[str, Any]]:
    """Return the rows that were logged."""
    return [row(record) for record in found if record.history.item]


def logged(folder: Path) -> dict[str, Any]:
    """Return the last value of everything that the only run below ``folder`` logged."""
    values: dict[str, Any] = {}
    for line in rows(_only(folder)):
        values |= line
    return values


def summary(found: list[Record]) -> dict[str, Any]:
    """Return the summary at the end of a run; levels are joined by ``/``."""
    values: dict[str, Any] = {}
    for record in found:
        for item in record.summary.update:
            values["/".join(item.nested_key) or item.key] = json.loads(item.value_json)
    return values


def described(folder: Path) -> tuple[Any, dict[str, Any]]:
    """Return the record of the run, and its configuration, whose levels are joined by ``/``."""
    run, config = None, {}
    for record in _only(folder):
        if record.HasField("run"):
            run = record.run
        for update in (*record.config.update, *record.run.config.update):
            config["/".join(update.nested_key) or update.key] = json.loads(update.value_json)
    return run, config
