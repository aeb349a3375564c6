"""Defines a callable outside the package, which only the check of checkpoints refuses."""

CALLS: list[str] = []


def run(word: str) -> int:
    """Record that this was called."""
    CALLS.append(word)
    return 2
