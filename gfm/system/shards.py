"""Divides work among machines: ``--shard 2/8`` takes the second of eight parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from gfm.errors import GFMError

T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """A part of a list.

    Attributes:
        index: Number of the part, counted from 1.
        count: Number of parts.
    """

    index: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Parse a shard such as ``2/8``.

        Raises:
            GFMError: The text is not i/n with 1 ≤ i ≤ n.
        """
        index, _, count = text.partition("/")
        if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
            raise GFMError(f"--shard {text}: give i/n with i from 1 to n, such as 2/8")
        return cls(int(index), int(count))

    def of(self, items: Sequence[T]) -> Sequence[T]:
        """Return every ``count``-th item, so that the sizes of parts differ by at most one."""
        return items[self.index - 1 :: self.count]

    def __str__(self) -> str:
        return f"part {self.index} of {self.count}"


EVERYTHING = Shard()
