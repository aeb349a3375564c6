"""Writes overrides in Hydra's grammar, in which some characters of file names are special."""

import re
from collections.abc import Sequence

_PLAIN = re.compile(r"[\w/.:+\-@%]+")
_QUOTED = re.compile(r"""(['"]).*\1""", re.DOTALL)
_OF_PATHS = re.compile(
    r"((?:checkpoint|ckpt_path|init_from|predictions|data\.root|data\.source\.\w+|paths\.\w+))=(.*=.*)"
)


def override(name: str, value: object) -> str:
    """Return ``name=value``, quoted so that Hydra reads the value with all its characters."""
    text = str(value)
    if _PLAIN.fullmatch(text):
        return f"{name}={text}"
    doubled = re.sub(r"(\\+)(?='|$)", r"\1\1", text)  # special only before a quote
    escaped = doubled.replace("'", r"\'")
    return f"{name}='{escaped}'"


def protect_paths(arguments: Sequence[str]) -> list[str]:
    """Quote the paths in command-line arguments that contain ``=``, such as ``epoch=3.ckpt``.

    Lightning gives checkpoints such names, and shells complete them without quotes. Commas separate
    the values of a sweep.
    """
    return [_protect(argument) for argument in arguments]


def _protect(argument: str) -> str:
    match = _OF_PATHS.fullmatch(argument)
    if not match or "${" in match[2]:
        return argument
    parts = [p if _QUOTED.fullmatch(p) else override("", p)[1:] for p in match[2].split(",")]
    return f"{match[1]}={','.join(parts)}"
