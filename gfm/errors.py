"""The errors that people are meant to read, and the exit status of what Control-C ended."""

from typing import Final


class GFMError(Exception):
    """A fault in the input: one line that names the thing and the fix.

    The entry points print its text without a traceback and exit with status 1.
    """


class WriteError(GFMError):
    """A file cannot be written, so the next one cannot either: disk full, folder read-only."""


INTERRUPTED: Final = 130
"""Exit status of a program that Control-C ended, as is usual in shells."""
