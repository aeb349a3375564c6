"""A callable that is none of this project's; what Hydra itself refuses is another matter."""

CALLS: list[str] = []


def run(word: str) -> int:
    """Notes that it was called."""
    CALLS.append(word)
    return 2
