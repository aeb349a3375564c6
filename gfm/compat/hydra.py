"""Experimental and private parts of Hydra.

``tests/compat/test_hydra.py`` shows what breaks if a release changes one of them.
"""

from argparse import Namespace
from collections.abc import Iterable, Sequence

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback

__all__ = ["NOISE", "Callback", "parse_arguments", "swept"]

NOISE = ("full_key", "reference_type", "object_type", "Config search path", "provider=")
"""Beginnings of lines that Hydra and OmegaConf append to the text of an exception."""


def parse_arguments(arguments: Sequence[str]) -> tuple[Namespace, list[str]]:
    """Parse a command line as Hydra does, into flags, and overrides as they were written."""
    parsed, unknown = get_args_parser().parse_known_args(list(arguments))
    return parsed, [*parsed.overrides, *(o for o in unknown if not o.startswith("--"))]


def swept(overrides: Iterable[str]) -> list[str]:
    """Return the names of the overrides that give several values, or a range to search."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    lines = [str(override.input_line) for override in parsed if override.is_sweep_override()]
    return [line.split("=")[0].lstrip("+") for line in lines]
