"""What a loader hands over, and how it becomes floats on the device."""

from typing import Any

Batch = dict[str, Any]
"""Tensors by name, and the ``name`` of each photo; docs/architecture.md has the table."""

_COLOURS = ("image", "alpha", "foreground", "background")


def as_floats(batch: Batch) -> Batch:
    """Colours and alpha of a uint8 batch in [0, 1]; label maps and names stay as they are."""
    return {k: v.float() / 255 if k in _COLOURS else v for k, v in batch.items()}
