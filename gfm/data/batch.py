"""A batch: its size on each rank, and its conversion to floats on the device."""

from typing import Any

from gfm.errors import GFMError

Batch = dict[str, Any]
"""Tensors by name, and the ``name`` of each photo; see the table in docs/architecture.md."""

_COLOURS = ("image", "alpha", "foreground", "background")


def as_floats(batch: Batch) -> Batch:
    """Scale colours and alpha of a uint8 batch to [0, 1]; label maps and names stay as they are."""
    return {k: v.float() / 255 if k in _COLOURS else v for k, v in batch.items()}


def split_batch(batch_size: int, num_processes: int) -> int:
    """Split a batch among the ranks.

    Returns:
        The number of samples per rank.

    Raises:
        GFMError: The batch does not divide evenly.
    """
    share, rest = divmod(batch_size, num_processes)
    if rest:
        fits = [k * num_processes for k in (share, share + 1) if k]
        raise GFMError(
            f"data.batch_size={batch_size} is the batch of all processes together, and does not "
            f"divide among {num_processes}: set it to {' or '.join(map(str, fits))}, or change "
            "trainer.devices"
        )
    return share
