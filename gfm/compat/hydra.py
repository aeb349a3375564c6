"""Hydra: instantiating nodes, and its experimental and private parts.

``tests/compat/test_hydra.py`` shows what breaks if a release changes one of them.
"""

import re
from argparse import Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import hydra.utils
from hydra import compose, initialize_config_dir
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path, get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import InstantiationException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from gfm.errors import GFMError

__all__ = [
    "NOISE",
    "Callback",
    "compose_from",
    "instantiate",
    "missing_choice",
    "parse_arguments",
    "parse_override",
    "reason",
    "swept",
    "to_plain",
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


def to_plain(node: Any) -> Any:
    """Resolve a configuration node to plain dictionaries, lists and numbers."""
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


def instantiate(node: Any, **extra: Any) -> Any:
    """Build the object that a node's ``_target_`` names, nested ones first.

    Nothing else calls ``hydra.utils.instantiate``.

    Args:
        node: Configuration node, or its plain form.
        extra: Arguments that are objects already.

    Returns:
        The object; ``None`` for an empty node.

    Raises:
        GFMError: The object cannot be built from these arguments.
    """
    node = to_plain(node)
    if not node:  # null, or a group's empty choice
        return None
    try:
        return hydra.utils.instantiate(node, _convert_="all", **extra)
    except InstantiationException as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        if isinstance(cause, GFMError):
            raise cause from None
        target = node.get("_target_", "?") if isinstance(node, dict) else "?"
        raise GFMError(f"cannot build {target}: {cause}") from error
