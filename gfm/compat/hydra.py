"""Instantiates configuration nodes, and wraps Hydra's experimental and private APIs.

``tests/compat/test_hydra.py`` fails if a release changes one of them.
"""

import json
import re
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import hydra.utils
from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path, get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import InstantiationException
from hydra.experimental.callback import Callback as Callback
from omegaconf import DictConfig, OmegaConf

from gfm.errors import GFMError

NOISE = ("full_key", "reference_type", "object_type", "Config search path", "provider=")
"""Prefixes of lines that Hydra and OmegaConf append to the text of an exception."""


def parse_arguments(arguments: Sequence[str]) -> tuple[Namespace, list[str]]:
    """Parse a command line as Hydra does, into flags and unparsed overrides."""
    parsed, unknown = get_args_parser().parse_known_args(list(arguments))
    return parsed, [*parsed.overrides, *(o for o in unknown if not o.startswith("--"))]


@cache  # a command line is parsed for several purposes
def parse_override(text: str) -> Override:
    """Parse one override; a malformed one raises HydraException (see :func:`reason`)."""
    return OverridesParser.create().parse_override(text)


def reason(error: BaseException) -> str:
    """Return why Hydra rejects an override, in one line without a link to its manual."""
    return " ".join(str(error).partition("See https:")[0].split())


def missing_choice(error: BaseException) -> tuple[str, str] | None:
    """Return the group and the choice that Hydra did not find; ``None`` for other errors."""
    path = r"[./~][^']*"  # a path given instead of a choice
    found = re.search(rf"Could not find '(\w+(?:/\w+)*)/({path}|[^/']+)'", str(error))
    return (found[1], found[2]) if found else None


def unknown_option(error: BaseException) -> str | None:
    """Return the unknown option that an override names; ``None`` for other errors."""
    found = re.match(r"Could not override '(.+)'\.", str(error))
    return found[1] if found else None


def swept_options(overrides: Iterable[str]) -> list[str]:
    """Return the names of options that overrides sweep: several values, or a range to search."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    lines = [str(override.input_line) for override in parsed if override.is_sweep_override()]
    return [line.split("=")[0].lstrip("+") for line in lines]


def grid_jobs(overrides: Iterable[str]) -> list[list[str]]:
    """Return the overrides of each job that Hydra's basic sweeper makes of those of a sweep."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    return [job for batch in BasicSweeper.split_arguments(parsed, None) for job in batch]


def compose_from(
    folder: Path, name: str, overrides: Sequence[str], config_dir: Path | None = None
) -> DictConfig:
    """Compose the configuration ``name`` of a folder as a Hydra app would, even inside one.

    ``config_dir`` is an additional folder of configuration files, as given by ``--config-dir``.
    """
    running = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(folder), version_base="1.3"):
            if config_dir is not None:
                search_path = create_config_search_path(str(folder))
                search_path.prepend("command-line", f"file://{config_dir.absolute()}", "schema")
                GlobalHydra.instance().clear()
                Hydra.create_main_hydra2("app", search_path)
            return compose(name, list(overrides))
    finally:
        GlobalHydra.instance().hydra = running


def to_plain(node: Any) -> Any:
    """Resolve a configuration node to plain dictionaries, lists and scalars."""
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


def leaves(node: Any, prefix: str = "") -> dict[str, Any]:
    """Flatten nested dictionaries: return each value by its dotted name, as in an option."""
    if not isinstance(node, Mapping) or not node:
        return {prefix: node}
    parts = [leaves(v, f"{prefix}.{k}" if prefix else str(k)) for k, v in node.items()]
    return {key: value for part in parts for key, value in part.items()}


def format_value(value: Any) -> str:
    """Return a value as it is written on the command line."""
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)


def instantiate(node: Any, **extra: Any) -> Any:
    """Build the object that a node's ``_target_`` names; ``None`` for an empty node.

    The only caller of ``hydra.utils.instantiate``, so that every object gets plain
    arguments and every error is one line.

    Args:
        node: Configuration node, or its plain form.
        extra: Additional arguments, passed as they are.

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
