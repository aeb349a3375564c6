"""Where people read what the programs say."""

from rich.console import Console


def console() -> Console:
    """Standard output; lines are not broken where it is a file."""
    plain = Console()
    return plain if plain.is_terminal else Console(width=120, soft_wrap=True)
