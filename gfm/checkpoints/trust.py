"""Checks that a checkpoint describes its network by plain data and names of trusted classes."""

import importlib
import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gfm.errors import GFMError

_NAMEABLE_PART = {"gfm.inference": "gfm.inference.inferers"}
"""The part of a package whose classes a file may name; the rest of it reads and writes files."""


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
        refusal = _refusal(target, packages, trust)
        if refusal:
            raise GFMError(f"{path} asks for {target}, {refusal}")


def packages_to_trust(node: Any) -> list[str]:
    """Return the packages beside this one whose classes a description names, in order."""
    packages = {str(target).split(".")[0] for target in _targets(node)}
    return sorted(packages - {"gfm"})


def check_state(state: Any, path: Path) -> dict[str, Tensor]:
    """Check that the weights in a file are dense tensors by name, and return them.

    Args:
        state: Weights as they were read from the file.
        path: File, for the message.

    Raises:
        GFMError: They are something else.
    """
    if not isinstance(state, dict):
        raise GFMError(f"{path} has a {type(state).__name__} in place of its network's tensors")
    for name, tensor in state.items():
        is_tensor = isinstance(name, str) and isinstance(tensor, Tensor)
        if not is_tensor or tensor.layout != torch.strided or tensor.device.type == "meta":
            raise GFMError(
                f"{path} has an entry {name!r} that is not a dense tensor with a name: train "
                "again, or copy or download the file again"
            )
    return state


def check_parts(model: Any, inference: Any, path: Path) -> None:
    """Check that a file describes a network and, if it has an inferer, that inferer.

    Args:
        model: Plain ``_target_`` node of the network, which needs ``rosta``.
        inference: Plain ``_target_`` node of the inferer, or ``None``.
        path: File, for the message.

    Raises:
        GFMError: The file describes something else.
    """
    parts: dict[str, type] = {"_target_": str, "rosta": str}
    if isinstance(model, dict) and model.get("_target_") == "gfm.models.gfm.GFM":
        parts["encoder"] = dict  # other networks take the encoder's name, or have a fixed one
    for name, kind in parts.items():
        if not isinstance(model, dict) or not isinstance(model.get(name), kind):
            raise GFMError(
                f"{path} describes no network (it lacks {name}): use a file that a training run or "
                "gfm has written"
            )
    if inference and not (isinstance(inference, dict) and "_target_" in inference):
        raise GFMError(
            f"{path} has inference={inference!r}, which names no class: use a file that a training "
            "run or gfm has written"
        )


_DEEPEST = 50  # most levels of nesting in a description; that of a run has five


def _check_values(node: Any, path: Path, depth: int = 0) -> None:
    if depth > _DEEPEST:
        raise GFMError(
            f"{path} describes its network with more than {_DEEPEST} levels of nesting: use a file "
            "that a training run or gfm has written"
        )
    if isinstance(node, str):
        if "${" in node:
            raise GFMError(
                f"{path} holds an interpolation, {node!r}, which is never resolved: remove it from "
                "the file, or train again"
            )
    elif isinstance(node, dict):
        for key, value in node.items():
            _check_values(key, path, depth + 1)
            _check_values(value, path, depth + 1)
    elif isinstance(node, list | tuple):
        for value in node:
            _check_values(value, path, depth + 1)
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


def _refusal(target: Any, packages: Sequence[str], trust: Sequence[str]) -> str | None:
    """Return why a target may not be named, and what helps; ``None`` if it may be named."""
    sound = "use a file that a training run or gfm has written"
    if not isinstance(target, str) or not target.rpartition(".")[0]:
        return f"which is not the name of a class in a module: {sound}"
    homes = [_NAMEABLE_PART.get(package, package) for package in packages]
    if _is_inside(target, packages) and _fault(target, homes) is None:
        return None
    if _is_inside(target, trust):
        return _fault(target, trust)
    refusal = f"which {' or '.join(packages)} does not define"
    own = target.split(".")[0]
    if own == "gfm":
        return f"{refusal}: update gfm-matting, or {sound}"
    return f"{refusal}; if you trust it, {_trusting(*trust, own)}"


def _fault(target: str, homes: Sequence[str]) -> str | None:
    """Return why a target is not a public class or function that some packages define.

    The name alone is not enough: ``gfm.models.encoders.torch.load`` belongs to torch. The module of
    the target is imported.
    """
    module, _, name = target.rpartition(".")
    if name.startswith("_"):
        return f"whose name is private: call it {name.lstrip('_')}, and train again"
    try:
        found = getattr(importlib.import_module(module), name, None)
    except Exception as error:  # a module may raise anything when it is imported
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return (
            f"but {module} cannot be imported ({reason}): install or mend it, or add its folder to "
            "PYTHONPATH"
        )
    if found is None:
        return f"which {module} does not define: add it there, or train again"
    if not inspect.isclass(found) and not inspect.isfunction(found):
        kind = type(found).__name__
        return f"which is a {kind}, not a class or a function: define it by class or def"
    home = str(found.__module__)
    if not _is_inside(home, homes):
        own = home.split(".")[0]
        return (
            f"which {home} defines: wrap it in a class or a function of {module}, or, "
            f"if you trust {own} as well, {_trusting(*homes, own)}"
        )
    return None


def _trusting(*packages: str) -> str:
    """Return how to trust packages, for a message."""
    named = dict.fromkeys(packages)  # each once
    options = " ".join(f"--trust {package}" for package in named)
    return f"set trust=[{','.join(named)}], for gfm {options}"


def _is_inside(name: str, packages: Sequence[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)
