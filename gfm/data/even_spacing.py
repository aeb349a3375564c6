"""Chooses a few of many items, evenly spaced."""

from collections.abc import Sequence

from gfm.data.layout import Photo


def spread_indices(num_items: int, num_chosen: int) -> list[int]:
    """Choose ``num_chosen`` of ``num_items`` indices, as evenly spaced as possible.

    The distance between neighbours is ``num_items / num_chosen``, rounded up or down.
    """
    num_chosen = min(num_chosen, num_items)
    return [i * num_items // num_chosen for i in range(num_chosen)]


def spread(photos: Sequence[Photo], number: int) -> list[Photo]:
    """Choose a number of photos, spread evenly; see :func:`spread_indices`."""
    return [photos[index] for index in spread_indices(len(photos), number)]
