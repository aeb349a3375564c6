"""Overrides in Hydra's grammar, which gives some characters of file names a meaning of its own."""

import re
from collections.abc import Sequence

_PLAIN = re.compile(r"[\w/.:+\-@%]+")
_QUOTED = re.compile(r"""(['"]).*\1""", re.DOTALL)
_OF_PATHS = re.compile(
    r"((?:checkpoint|ckpt_path|init_from|predictions|data\.root|data\.source\.\w+|paths\.\w+))=(.*=.*)"
)


def override(name: str, value: object) -> str:
    """``name=value`` that Hydra reads back as that value, whatever characters it holds."""
    text = str(value)
    if _PLAIN.fullmatch(text):
        return f"{name}={text}"
    doubled = re.sub(r"(\\+)(?='|$)", r"\1\1", text)  # backslashes count only before a quote
    escaped = doubled.replace("'", r"\'")
    return f"{name}='{escaped}'"


def protect_paths(arguments: Sequence[str]) -> list[str]:
    """Command-line arguments with paths quoted that contain ``=``, such as ``epoch=3.ckpt``.

    Lightning names checkpoints so, and shells complete such names without quotes. Commas part the
    values of a sweep.
    """
    return [_protect(argument) for argument in arguments]


def _protect(argument: str) -> str:
    match = _OF_PATHS.fullmatch(argument)
    if not match or "${" in match[2]:
        return argument
    parts = [p if _QUOTED.fullmatch(p) else override("", p)[1:] for p in match[2].split(",")]
    return f"{match[1]}={','.join(parts)}"
