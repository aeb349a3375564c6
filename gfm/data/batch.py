"""A batch as a loader returns it, and its conversion to floats on the device."""

from typing import Any

Batch = dict[str, Any]
"""Tensors by name, and the ``name`` of each photo; see the table in docs/architecture.md."""

_COLOURS = ("image", "alpha", "foreground", "background")


def as_floats(batch: Batch) -> Batch:
    """Scale colours and alpha of a uint8 batch to [0, 1]; label maps and names stay as they are."""
    return {k: v.float() / 255 if k in _COLOURS else v for k, v in batch.items()}
