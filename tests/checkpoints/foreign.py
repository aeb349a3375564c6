"""Defines a callable outside the package; only the check of checkpoints stops its use."""

CALLS: list[str] = []


def run(word: str) -> int:
    """Record that this was called."""
    CALLS.append(word)
    return 2
