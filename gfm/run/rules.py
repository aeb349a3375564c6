"""Rules for the value of an option: numbers in a range, choices, lists, text."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class Rule(Protocol):
    """What an option may be; its text completes "give …"."""

    def allows(self, value: Any) -> bool: ...  # noqa: D102


@dataclass(frozen=True)
class Number:
    """A finite number.

    Attributes:
        low: The least that is allowed.
        high: The largest that is allowed.
        is_whole: Whether the number has no fraction.
        is_above: Whether ``low`` itself is too little.
        is_below: Whether ``high`` itself is too much.
    """

    low: float = 0
    high: float = math.inf
    is_whole: bool = False
    is_above: bool = False
    is_below: bool = False

    def allows(self, value: Any) -> bool:
        """Return whether a value is such a number; true and false are none."""
        kinds = int if self.is_whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not math.isfinite(value):
            return False
        is_excluded = (self.is_above and value == self.low) or (
            self.is_below and value == self.high
        )
        return self.low <= value <= self.high and not is_excluded

    def __str__(self) -> str:
        kind = "a whole number" if self.is_whole else "a number"
        if math.isfinite(self.high):
            return f"{kind} from {self.low} {'to below' if self.is_below else 'to'} {self.high}"
        return f"{kind} {'above' if self.is_above else 'of at least'} {self.low}"


@dataclass(frozen=True)
class Choice:
    """One of a few values."""

    values: tuple[Any, ...]

    def allows(self, value: Any) -> bool:
        """Return whether a value is one of them; 1 is not true."""
        return any(value == known and type(value) is type(known) for known in self.values)

    def __str__(self) -> str:
        words = {None: "null", True: "true", False: "false"}
        return " or ".join(str(words.get(value, value)) for value in self.values)


@dataclass(frozen=True)
class Several:
    """A list, each of whose items follows a rule.

    Attributes:
        item: The rule.
        may_be_empty: Whether a list without items is allowed.
        length: How many items there have to be; ``None`` for any number.
    """

    item: Rule
    may_be_empty: bool = False
    length: int | None = None

    def allows(self, value: Any) -> bool:
        """Return whether a value is such a list."""
        is_list = isinstance(value, list) and (self.may_be_empty or bool(value))
        has_length = is_list and self.length in (None, len(value))
        return has_length and all(self.item.allows(item) for item in value)

    def __str__(self) -> str:
        length = "" if self.length is None else f"{self.length} items, "
        return f"a list of {length}each {self.item}"


@dataclass(frozen=True)
class Either:
    """A value that one of several rules allows."""

    rules: tuple[Rule, ...]

    def allows(self, value: Any) -> bool:
        """Return whether one of them allows it."""
        return any(rule.allows(value) for rule in self.rules)

    def __str__(self) -> str:
        return ", or ".join(map(str, self.rules))


class Text:
    """Text that is not empty."""

    def allows(self, value: Any) -> bool:
        """Return whether a value is such text."""
        return isinstance(value, str) and bool(value)

    def __str__(self) -> str:
        return "text, in quotes where it looks like a number"


class Section:
    """Options with names of their own, as a file of a group has them."""

    def allows(self, value: Any) -> bool:
        """Return whether a value holds options."""
        return isinstance(value, Mapping)

    def __str__(self) -> str:
        return "options by name, as --help has them"
