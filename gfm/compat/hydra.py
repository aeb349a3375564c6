"""Parts of Hydra that it calls experimental or private.

``tests/compat/test_hydra.py`` names what breaks where a release changes one of them.
"""

from argparse import Namespace
from collections.abc import Sequence

from hydra._internal.utils import get_args_parser
from hydra.experimental.callback import Callback

__all__ = ["NOISE", "Callback", "parse_arguments"]

NOISE = ("object_type", "full_key", "Config search", "Set the environment variable")
"""How lines begin that Hydra and OmegaConf append to the text of an exception."""


def parse_arguments(arguments: Sequence[str]) -> tuple[Namespace, list[str]]:
    """A command line as Hydra reads it: its flags, and its overrides as they were written."""
    parsed, unknown = get_args_parser().parse_known_args(list(arguments))
    return parsed, [*parsed.overrides, *(o for o in unknown if not o.startswith("--"))]
