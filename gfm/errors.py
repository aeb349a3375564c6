"""User-facing exceptions, and the exit status after Control-C."""

from typing import Final


class GFMError(Exception):
    """Bad input, described in one line that names the problem and the fix.

    The entry points print that line without a traceback and exit with status 1.
    """


class WriteError(GFMError):
    """A file cannot be written (disk full, folder read-only); later writes would fail as well."""


def one_line(error: Exception) -> str:
    """Return an error's message in one line, after its type unless it is a GFMError."""
    text = " ".join(str(error).split())
    return text if isinstance(error, GFMError) else f"{type(error).__name__}: {text}"


INTERRUPTED: Final = 130
"""Exit status after Control-C: 128 + SIGINT, as in shells."""

TERMINATED: Final = 143
"""Exit status of file tools after SIGTERM: 128 + SIGTERM, as in shells."""

TRY_AGAIN: Final = 75
"""Exit status of runs after SIGTERM: ``EX_TEMPFAIL``, which tells schedulers to try again."""
