"""Checks that a checkpoint describes its network by plain data and names of trusted classes."""

import importlib
import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gfm.errors import GFMError

_FIT_TO_NAME = {"gfm.inference": "gfm.inference.inferers"}
"""The part of a package of ours whose classes a file may name; the rest reads and writes files."""


def check_description(node: Any, packages: Sequence[str], trust: Sequence[str], path: Path) -> None:
    """Check a description before anything is built from it.

    Args:
        node: Plain ``_target_`` node, or ``None``.
        packages: Packages whose public classes and functions the node may name.
        trust: Packages that the user trusts, and which the node may name as well.
        path: File, for the message.

    Raises:
        GFMError: The node names anything else, holds an interpolation, which would be resolved, or
            holds anything but text, numbers, lists and dictionaries.
    """
    _check_values(node, path)
    for target in _targets(node):
        if not isinstance(target, str) or not _is_trusted(target, packages, trust):
            own = str(target).split(".")[0]
            fix = f"; if you trust it, set trust=[{own}], for gfm --trust {own}"
            fix = "" if own == "gfm" else fix
            known = " or ".join(packages)
            raise GFMError(f"{path} asks for {target}, which {known} does not define{fix}")


def _check_values(node: Any, path: Path) -> None:
    if isinstance(node, str):
        if "${" in node:
            raise GFMError(
                f"{path} holds an interpolation, {node!r}, which is never resolved: remove it from "
                "the file, or train again"
            )
    elif isinstance(node, dict):
        for key, value in node.items():
            _check_values(key, path)
            _check_values(value, path)
    elif isinstance(node, list | tuple):
        for value in node:
            _check_values(value, path)
    elif not isinstance(node, int | float | None):
        raise GFMError(
            f"{path} describes its network by a {type(node).__name__}: only text, numbers, lists "
            "and dictionaries are read"
        )


def _targets(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "_target_":
                yield value
            else:
                yield from _targets(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _targets(value)


def _is_trusted(target: str, packages: Sequence[str], trust: Sequence[str]) -> bool:
    """Return whether the target is ours and may be named, or is of a package the user trusts."""
    homes = [_FIT_TO_NAME.get(package, package) for package in packages]
    return _is_defined_in(packages, homes, target) or _is_defined_in(trust, trust, target)


def _is_defined_in(named: Sequence[str], homes: Sequence[str], target: str) -> bool:
    """Return whether a public target is named in some packages and defined in others.

    The name alone is not enough: ``gfm.models.encoders.torch.load`` belongs to torch.
    """
    module, _, name = target.rpartition(".")
    if name.startswith("_") or not any(_is_inside(module, package) for package in named):
        return False
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return False
    home = getattr(found, "__module__", "") or ""
    is_callable = inspect.isclass(found) or inspect.isfunction(found)
    return is_callable and any(_is_inside(home, package) for package in homes)


def _is_inside(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")
