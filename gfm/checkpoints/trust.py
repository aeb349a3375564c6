"""What a checkpoint may say of its network: data only, and names of classes that are trusted."""

import importlib
import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gfm.errors import GFMError


def check_description(node: Any, packages: Sequence[str], trust: Sequence[str], path: Path) -> None:
    """Checks a description before anything is built from it.

    Args:
        node: a plain ``_target_`` node, or nothing.
        packages: whose public classes and functions the node may name.
        trust: the user's packages, whose classes and functions it may name as well.
        path: of the file, for the message.

    Raises:
        GFMError: it names something else, or holds an interpolation, which would be resolved.
    """
    for text in _strings(node):
        if "${" in text:
            raise GFMError(
                f"{path} holds an interpolation, {text!r}: a checkpoint is data and nothing in it "
                "is resolved; train again, or remove it from the file"
            )
    for target in _targets(node):
        if not isinstance(target, str) or not _is_defined_in((*packages, *trust), target):
            own = str(target).split(".")[0]
            fix = "" if own == "gfm" else f"; if you trust it: trust=[{own}], of gfm --trust {own}"
            known = " or ".join(packages)
            raise GFMError(f"{path} asks for {target}, which {known} does not define{fix}")


def _strings(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _strings(key)
            yield from _strings(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _strings(value)


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


def _is_defined_in(packages: Sequence[str], target: str) -> bool:
    """Whether one of the packages defines the target and does not hide it.

    The name alone proves nothing: ``gfm.models.encoders.torch.load`` is torch's.
    """
    module, _, name = target.rpartition(".")
    if name.startswith("_") or not any(_is_inside(module, package) for package in packages):
        return False
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return False
    home = getattr(found, "__module__", "") or ""
    is_callable = inspect.isclass(found) or inspect.isfunction(found)
    return is_callable and any(_is_inside(home, package) for package in packages)


def _is_inside(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")
