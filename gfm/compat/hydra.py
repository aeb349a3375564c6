"""Experimental and private parts of Hydra.

``tests/compat/test_hydra.py`` shows what breaks if a release changes one of them.
"""

import re
from argparse import Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path, get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

__all__ = [
    "NOISE",
    "Callback",
    "compose_from",
    "missing_choice",
    "parse_arguments",
    "parse_override",
    "reason",
    "swept",
]

NOISE = ("full_key", "reference_type", "object_type", "Config search path", "provider=")
"""Beginnings of lines that Hydra and OmegaConf append to the text of an exception."""


def parse_arguments(arguments: Sequence[str]) -> tuple[Namespace, list[str]]:
    """Parse a command line as Hydra does, into flags, and overrides as they were written."""
    parsed, unknown = get_args_parser().parse_known_args(list(arguments))
    return parsed, [*parsed.overrides, *(o for o in unknown if not o.startswith("--"))]


def parse_override(text: str) -> Override:
    """Parse one override by Hydra's grammar.

    Raises:
        HydraException: The text is not an override; see :func:`reason`.
    """
    return OverridesParser.create().parse_override(text)


def reason(error: BaseException) -> str:
    """Return why Hydra's grammar refuses an override, in one line without a link to its manual."""
    return " ".join(str(error).partition("See https:")[0].split())


def missing_choice(error: BaseException) -> tuple[str, str] | None:
    """Return the group and the choice that Hydra did not find; ``None`` for another error."""
    found = re.search(r"Could not find '([\w/]+)/(\w+)'", str(error))
    return (found[1], found[2]) if found else None


def swept(overrides: Iterable[str]) -> list[str]:
    """Return the names of the overrides that give several values, or a range to search."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    lines = [str(override.input_line) for override in parsed if override.is_sweep_override()]
    return [line.split("=")[0].lstrip("+") for line in lines]


def compose_from(
    folder: Path, name: str, overrides: Sequence[str], config_dir: Path | None = None
) -> DictConfig:
    """Compose a configuration outside of a Hydra app.

    Args:
        folder: Folder of the configuration files.
        name: Name of the main file.
        overrides: Overrides as they were written.
        config_dir: Another folder of configuration files, as a Hydra app takes by ``--config-dir``.
    """
    with initialize_config_dir(str(folder), version_base="1.3"):
        if config_dir is not None:
            places = create_config_search_path(str(folder))
            places.prepend("command-line", f"file://{config_dir.absolute()}", "schema")
            GlobalHydra.instance().clear()
            Hydra.create_main_hydra2("app", places)
        return compose(name, list(overrides))
